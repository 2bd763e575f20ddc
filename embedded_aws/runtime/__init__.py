"""Runtime server of the embedded AWS: HTTP/2 event streams and HTTP/1.1 on one TLS port."""
