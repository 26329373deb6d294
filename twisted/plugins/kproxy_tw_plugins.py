"""What ``twistd`` finds of this package."""

from twisted.application.service import ServiceMaker

kproxy = ServiceMaker("kproxy", "kproxy_tw.commands.kproxy", "Flow proxy for Kentik-compatible backends", "kproxy")
kbgp = ServiceMaker("kbgp", "kproxy_tw.commands.kbgp", "Proxy of BGP sessions over gRPC", "kbgp")
kcollect = ServiceMaker("kcollect", "kproxy_tw.commands.kcollect", "Receiving side for kproxy and kbgp", "kcollect")
