"""What goes over the wire: the catalogue of methods, the front ends, the proxy, keys and identity."""
