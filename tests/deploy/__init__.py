"""Deploying, to folders of this machine and over a real sshd."""
