"""What agents say of devices by SNMP: interface documents and reports of polls, stored and shown."""
