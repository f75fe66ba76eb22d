"""A stand-in for the Docker daemon and its command line: the API is as Docker's, the containers are idle processes."""
