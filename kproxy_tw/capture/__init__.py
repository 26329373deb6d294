"""Files of captured packets: pcap and pcapng read with bounds, flow datagrams found in them. For the tools."""
