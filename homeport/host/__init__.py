"""The machine: programs, files, ports, disks and the Docker Engine."""
