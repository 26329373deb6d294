"""Public fakes of the seams in ``kproxy_tw.interfaces``, for tests of this package and of what is built on it."""
