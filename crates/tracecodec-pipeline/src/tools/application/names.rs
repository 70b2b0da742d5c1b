//! What the judges call the applications of the services in the table.

use tracecodec::service;

/// A service, the protocols of `tshark` that are its application, and the names of nDPI (of 4.2 and
/// later versions).
type Row = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

const NAMES: &[Row] = &[
    ("ftp-data", &["ftp-data"], &["FTP_DATA"]),
    ("ftp", &["ftp"], &["FTP_CONTROL"]),
    ("ssh", &["ssh"], &["SSH"]),
    ("telnet", &["telnet"], &["Telnet"]),
    ("smtp", &["smtp"], &["SMTP"]),
    ("dns", &["dns"], &["DNS"]),
    ("dhcp", &["dhcp"], &["DHCP"]),
    ("tftp", &["tftp"], &["TFTP"]),
    ("http", &["http"], &["HTTP", "HTTP_Connect", "HTTP_Proxy"]),
    ("kerberos", &["kerberos"], &["Kerberos"]),
    ("pop3", &["pop"], &["POP3"]),
    ("ntp", &["ntp"], &["NTP"]),
    ("dce_rpc", &["dcerpc"], &["DCE_RPC", "RPC"]),
    ("netbios-ns", &["nbns"], &["NetBIOS"]),
    ("netbios-dgm", &["nbdgm"], &["NetBIOS"]),
    ("netbios-ssn", &["nbss"], &["NetBIOS", "SMBv1", "SMBv23"]),
    ("imap", &["imap"], &["IMAP"]),
    ("snmp", &["snmp"], &["SNMP"]),
    ("snmptrap", &["snmp"], &["SNMP"]),
    ("bgp", &["bgp"], &["BGP"]),
    ("ldap", &["ldap", "cldap"], &["LDAP"]),
    ("https", &["tls"], &["TLS"]),
    ("quic", &["quic"], &["QUIC"]),
    ("smb", &["smb", "smb2"], &["SMBv1", "SMBv23"]),
    ("smtps", &["tls"], &["TLS", "SMTPS"]),
    ("isakmp", &["isakmp"], &["IPsec", "IPSec"]),
    ("modbus", &["modbus"], &["Modbus"]),
    ("syslog", &["syslog"], &["Syslog"]),
    ("dhcpv6", &["dhcpv6"], &["DHCPV6"]),
    ("rtsp", &["rtsp"], &["RTSP"]),
    ("submission", &["smtp"], &["SMTP"]),
    ("ldaps", &["tls"], &["TLS", "LDAPS"]),
    ("domain-s", &["tls", "dtls"], &["TLS", "DTLS", "DoH_DoT"]),
    ("ftps-data", &["tls"], &["TLS"]),
    ("ftps", &["tls"], &["TLS", "FTPS"]),
    ("imaps", &["tls"], &["TLS", "IMAPS"]),
    ("pop3s", &["tls"], &["TLS", "POPS", "POP3S"]),
    ("openvpn", &["openvpn"], &["OpenVPN"]),
    ("ms-sql-s", &["tds"], &["MsSQL-TDS", "TDS"]),
    ("oracle-tns", &["tns"], &["Oracle"]),
    ("radius", &["radius"], &["Radius"]),
    ("radius-acct", &["radius"], &["Radius"]),
    ("mqtt", &["mqtt"], &["MQTT"]),
    ("ssdp", &["ssdp"], &["SSDP"]),
    ("mysql", &["mysql"], &["MySQL"]),
    ("rdp", &["rdp", "rdpudp"], &["RDP"]),
    ("stun", &["stun", "classicstun"], &["STUN"]),
    ("rtp", &["rtp"], &["RTP"]),
    ("ipsec-nat-t", &["udpencap"], &["IPsec", "IPSec"]),
    ("sip", &["sip"], &["SIP"]),
    ("sips", &["tls"], &["TLS", "SIPS"]),
    ("mdns", &["mdns"], &["MDNS"]),
    ("llmnr", &["llmnr"], &["LLMNR"]),
    ("postgresql", &["pgsql"], &["PostgreSQL"]),
    ("amqp", &["amqp"], &["AMQP"]),
    ("rfb", &["vnc"], &["VNC"]),
    ("redis", &["resp"], &["Redis", "RESP"]),
    (
        "bittorrent",
        &["bittorrent", "bt-dht", "bt-utp"],
        &["BitTorrent"],
    ),
    ("mqtts", &["tls"], &["TLS", "MQTTS"]),
    (
        "elasticsearch",
        &["elasticsearch", "http"],
        &["Elasticsearch", "HTTP"],
    ),
    ("memcache", &["memcache"], &["Memcached"]),
    ("dnp3", &["dnp3"], &["DNP3"]),
    ("mongodb", &["mongo"], &["MongoDB"]),
    ("enip", &["enip"], &["EthernetIP"]),
    ("bacnet", &["bvlc", "bacnet"], &["BACnet"]),
    ("wireguard", &["wg"], &["WireGuard"]),
];

fn row(service: &str) -> Option<&'static Row> {
    NAMES.iter().find(|(name, ..)| *name == service)
}

/// The protocols of `tshark`.
pub(super) fn tshark(service: &'static str) -> &'static [&'static str] {
    row(service).map_or(&[], |(_, names, _)| names)
}

/// The names of nDPI.
pub(super) fn ndpi(service: &'static str) -> &'static [&'static str] {
    row(service).map_or(&[], |(_, _, names)| names)
}

/// The service's own name, for judges that go by ports.
pub(super) fn table(service: &'static str) -> &'static [&'static str] {
    let row = service::TABLE.iter().find(|row| row.name == service);
    row.map_or(&[], |row| std::slice::from_ref(&row.name))
}
