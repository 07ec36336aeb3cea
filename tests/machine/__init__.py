"""Boots the machines of tests/nixos on Debian: systemd in a container, MySQL, Redis, the rendered units."""
