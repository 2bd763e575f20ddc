"""For the tests of clients that talk to an endpoint: an AWS of their own."""
