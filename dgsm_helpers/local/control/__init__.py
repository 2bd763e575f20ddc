"""Control plane of the embedded AWS, over moto."""
