//! How each program is run, and which of its lines are complaints.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::process::{Ending, run};
use super::{Complaints, tshark};
use crate::error::Error;
use crate::monitor::Monitor;

/// What `tcpdump -vvv` prints of headers that it finds wrong. Lines of payloads, which start with a
/// tab, do not count; nor does `[|icmp]`, which it also prints of whole messages whose quote is 129
/// to 132 bytes long: it looks for extensions behind the 128th.
const TCPDUMP_COMPLAINTS: [&str; 21] = [
    "bad cksum",
    "(incorrect",
    "bad udp cksum",
    "wrong icmp cksum",
    "bad icmp6 cksum",
    "bad-len",
    "bad-hlen",
    "bad length",
    "bad hdr length",
    "[bad opt",
    "truncated-ip",
    " (invalid)",
    "[|ether]",
    "[|tcp]",
    "[|udp]",
    "[|icmp6]",
    "unspec-proto",
    "invalid ip header",
    "bad IP version",
    "unknown ip ",
    "version error: ",
];

/// What `tcpdump` prints if the bytes of an IP header end early. Behind the addresses of an outer
/// header, it concerns a tunnel's inner header.
const TCPDUMP_CUT_IP: [&str; 2] = ["[|ip]", "[|ip6]"];

impl Ending {
    /// Lines on stderr, as complaints if the program failed.
    fn complaints(self) -> Result<Complaints, Error> {
        let mut complaints = Complaints::default();
        if self.status.success() {
            return Ok(complaints);
        }
        self.stderr
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .for_each(|line| complaints.add(line));
        if complaints.count == 0 {
            return Err(Error::refused(format!("ended with {}", self.status), ""));
        }
        Ok(complaints)
    }
}

/// Malformed packets, bad checksums with their validation switched on, expert errors.
pub(super) fn tshark(
    capture: &Path,
    _: &Path,
    monitor: &mut dyn Monitor,
) -> Result<Complaints, Error> {
    let mut complaints = Complaints::default();
    for (number, complaint) in tshark::analyse(capture, monitor)?.complaints {
        complaints.add(format!("packet {number}: {complaint}"));
    }
    Ok(complaints)
}

/// Whether the file can be read to its end.
pub(super) fn capinfos(
    capture: &Path,
    _: &Path,
    monitor: &mut dyn Monitor,
) -> Result<Complaints, Error> {
    run(Command::new("capinfos").arg(capture), monitor, |_| {})?.complaints()
}

/// Lines that find fault with a header.
///
/// Tunnels whose inner header the capture lacks are a remark: the compiler writes such frames, and
/// `tcpdump` rejects nothing there ("Packets truncated because of a limited snapshot are indicated
/// in the output with `[|proto]`", as its manual has it).
pub(super) fn tcpdump(
    capture: &Path,
    _: &Path,
    monitor: &mut dyn Monitor,
) -> Result<Complaints, Error> {
    let mut command = Command::new("tcpdump");
    command.args(["-nn", "-vvv", "-r"]).arg(capture);
    let mut complaints = Complaints::default();
    let mut cut_tunnels = 0u64;
    let ending = run(&mut command, monitor, |line| {
        if is_tcpdump_complaint(line) {
            complaints.add(line.trim());
        } else {
            cut_tunnels += u64::from(is_cut_tunnel(line));
        }
    })?;
    if !ending.status.success() {
        let last = ending.stderr.lines().last();
        complaints.add(last.unwrap_or("it failed and does not say why"));
    }
    complaints.remark = (cut_tunnels > 0).then(|| {
        format!(
            "no complaint: {cut_tunnels} packets of tunnels end before the inner packet's header, \
             which tcpdump cannot parse"
        )
    });
    Ok(complaints)
}

fn is_tcpdump_complaint(line: &str) -> bool {
    let says = |words: &[&str]| words.iter().any(|words| line.contains(words));
    !line.starts_with('\t')
        && (says(&TCPDUMP_COMPLAINTS) || says(&TCPDUMP_CUT_IP) && !is_cut_tunnel(line))
}

/// Whether a line ends with an IP header that is cut, behind the addresses of a whole one.
fn is_cut_tunnel(line: &str) -> bool {
    !line.starts_with('\t')
        && line.contains(" > ")
        && TCPDUMP_CUT_IP.iter().any(|cut| line.ends_with(cut))
}

/// Whether tcpreplay's suite takes every packet. It refuses a capture without packets, which is a
/// remark: no packet is at fault.
pub(super) fn tcpprep(
    capture: &Path,
    folder: &Path,
    monitor: &mut dyn Monitor,
) -> Result<Complaints, Error> {
    let option = |name: &str, path: &Path| {
        let mut option = OsString::from(name);
        option.push(path);
        option
    };
    let mut command = Command::new("tcpprep");
    command
        .arg("--auto=bridge")
        .arg(option("--pcap=", capture))
        .arg(option("--cachefile=", &folder.join("cache")));
    let ending = run(&mut command, monitor, |_| {})?;
    if ending.stderr.contains("No packets were processed") {
        return Ok(Complaints {
            remark: Some("no complaint: there is no packet to process".to_string()),
            ..Complaints::default()
        });
    }
    ending.complaints()
}

/// The lines of zeek's `weird.log` and `reporter.log`.
pub(super) fn zeek(
    capture: &Path,
    folder: &Path,
    monitor: &mut dyn Monitor,
) -> Result<Complaints, Error> {
    let mut command = Command::new("zeek");
    command.current_dir(folder).arg("-r").arg(capture);
    let mut complaints = run(&mut command, monitor, |_| {})?.complaints()?;
    for log in ["weird.log", "reporter.log"] {
        let Ok(text) = fs::read_to_string(folder.join(log)) else {
            continue;
        };
        let rows = text.lines().filter(|line| !line.starts_with('#'));
        rows.for_each(|row| complaints.add(format!("{log}: {row}")));
    }
    Ok(complaints)
}

/// Suricata's counters of packets that it could not decode or whose checksum was wrong, without
/// rules.
pub(super) fn suricata(
    capture: &Path,
    folder: &Path,
    monitor: &mut dyn Monitor,
) -> Result<Complaints, Error> {
    let mut command = Command::new("suricata");
    command.current_dir(folder);
    command.args(["-k", "all", "-S", "/dev/null", "-l"]);
    command.arg(folder).arg("-r").arg(capture);
    let ending = run(&mut command, monitor, |_| {})?;
    if !ending.status.success() {
        return ending.complaints();
    }
    let stats = fs::read_to_string(folder.join("stats.log")).map_err(|source| Error::Io {
        action: "it wrote no stats.log".to_string(),
        source,
    })?;
    Ok(suricata_counters(&stats))
}

/// The counters in the last table of a `stats.log`; counters that are 0 are absent.
fn suricata_counters(stats: &str) -> Complaints {
    let table = stats.rsplit("Date:").next().unwrap_or_default();
    let mut complaints = Complaints::default();
    for line in table.lines() {
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        let [name, _, value] = columns[..] else {
            continue;
        };
        let is_complaint = name == "decoder.invalid"
            || name.starts_with("decoder.event.")
            || name == "tcp.invalid_checksum";
        if is_complaint && value != "0" {
            complaints.add(format!("{name}: {value}"));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_lines_of_tcpdump() {
        let good = [
            "12:00:00.000000 IP (tos 0x0, ttl 64, id 0, offset 0, flags [DF], proto TCP (6), length 60)",
            "    10.84.84.149.1 > 10.255.230.183.2: Flags [S], cksum 0xbad1 (correct), seq 1, win 64240, length 0",
            "    10.15.122.235.62427 > 10.169.151.86.37705: [udp sum ok] UDP, length 30",
            "\tGET /bad cksum HTTP/1.1",
        ];
        let bad = [
            "12:00:00.000000 IP (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto TCP (6), length 44, bad cksum 0 (->5ccd)!)",
            "    192.0.2.1.50000 > 198.51.100.7.443: Flags [S], cksum 0x0102 (incorrect -> 0x6ae0), seq 1, length 0",
            "    192.0.2.1.50000 > 198.51.100.7.53: [bad udp cksum 0x4910 -> 0x4911!] domain [length 2 < 12] (invalid)",
            "12:00:00.000000 unknown ip 7",
            "12:00:00.000000 IP6 version error: 4 != 6",
            "12:00:00.000000 IP7 (invalid)",
        ];
        assert!(!good.into_iter().any(is_cut_tunnel));
        assert!(!good.into_iter().any(is_tcpdump_complaint));
        assert!(bad.into_iter().all(is_tcpdump_complaint));
    }

    #[test]
    fn test_a_cut_inner_header_is_no_complaint_but_a_cut_outer_one_is() {
        let tunnels = [
            "    10.15.122.235 > 10.169.151.86:  [|ip6]",
            "12:30:34.019243 IP6 (hlim 63, next-header IPIP (4) payload length: 52) fd00::1 > fd00::2:  [|ip]",
        ];
        assert!(tunnels.into_iter().all(is_cut_tunnel));
        assert!(!tunnels.into_iter().any(is_tcpdump_complaint));
        let outer = ["12:00:00.000000 IP [|ip]", "12:00:00.000000 IP6 [|ip6]"];
        assert!(outer.into_iter().all(is_tcpdump_complaint));
    }

    #[test]
    fn test_counters_of_suricata() {
        let stats = "Date: 11/24/2026 -- 12:00:00 (uptime: 0d, 00h 00m 01s)\n\
            Counter | TM Name | Value\n\
            decoder.pkts                                  | Total                     | 12\n\
            decoder.invalid                               | Total                     | 2\n\
            decoder.event.ipv4.opt_invalid                | Total                     | 2\n\
            tcp.invalid_checksum                          | Total                     | 1\n";
        let complaints = suricata_counters(stats);
        assert_eq!(complaints.count, 3);
        assert_eq!(complaints.first[0], "decoder.invalid: 2");
    }
}
