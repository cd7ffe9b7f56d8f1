"""What tests of several folders share lies beside this file, which puts it on the path."""
