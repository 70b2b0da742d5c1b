//! How each program is run, and which of its lines are complaints.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};

use super::{Complaints, tshark};

/// What `tcpdump -vvv` prints of headers that it finds wrong. Lines of payloads, which start with a tab, do not count; nor does
/// `[|icmp]`, which it also prints of whole messages whose quote is 129 to 132 bytes long: it looks for extensions behind the 128th.
const TCPDUMP_COMPLAINTS: [&str; 23] = [
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
    "[|ip]",
    "[|ip6]",
    "[|tcp]",
    "[|udp]",
    "[|icmp6]",
    "unspec-proto",
    "invalid ip header",
    "bad IP version",
    "unknown ip ",
    "version error: ",
];

/// First line that a program tells of its version, without a full stop; none where it cannot be run.
pub(crate) fn version(name: &str, argument: &str) -> Option<String> {
    let output = Command::new(name).arg(argument).output().ok()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    // Some warn first of the user who runs them.
    let mut lines = said.lines().filter(|line| !line.trim().is_empty());
    let has_digit = |line: &&str| line.contains(|c: char| c.is_ascii_digit());
    let line = lines.find(has_digit).unwrap_or_default().trim_end();
    Some(line.strip_suffix('.').unwrap_or(line).to_string())
}

/// How a program ended, with what it wrote to stderr.
struct Ending {
    status: ExitStatus,
    stderr: String,
}

impl Ending {
    /// Lines on stderr, as complaints if it failed.
    fn complaints(self) -> Result<Complaints> {
        let mut complaints = Complaints::default();
        if self.status.success() {
            return Ok(complaints);
        }
        let lines = self.stderr.lines().map(str::trim);
        lines
            .filter(|line| !line.is_empty())
            .for_each(|line| complaints.add(line));
        if complaints.count == 0 {
            bail!("ended with {}", self.status);
        }
        Ok(complaints)
    }
}

/// Runs a command in a folder; hands over the lines of its stdout, of any length of output.
fn run(command: &mut Command, folder: &Path, mut each: impl FnMut(&str)) -> Result<Ending> {
    let errors = folder.join("stderr");
    let mut child = command
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(File::create(&errors)?)
        .spawn()?;
    let stdout = child.stdout.take().context("stdout is piped")?;
    let mut lines = BufReader::new(stdout).split(b'\n');
    while let Some(line) = lines.next().transpose()? {
        each(&String::from_utf8_lossy(&line));
    }
    let status = child.wait()?;
    let stderr = String::from_utf8_lossy(&fs::read(errors)?).into_owned();
    Ok(Ending { status, stderr })
}

/// Malformed packets, bad checksums with their validation switched on, expert errors.
pub(super) fn tshark(capture: &Path, _: &Path) -> Result<Complaints> {
    let mut complaints = Complaints::default();
    for (number, complaint) in tshark::analyse(capture)?.complaints {
        complaints.add(format!("packet {number}: {complaint}"));
    }
    Ok(complaints)
}

/// Whether the file can be read to its end.
pub(super) fn capinfos(capture: &Path, folder: &Path) -> Result<Complaints> {
    run(Command::new("capinfos").arg(capture), folder, |_| {})?.complaints()
}

/// Lines that find fault with a header.
pub(super) fn tcpdump(capture: &Path, folder: &Path) -> Result<Complaints> {
    let mut command = Command::new("tcpdump");
    command.args(["-nn", "-vvv", "-r"]).arg(capture);
    let mut complaints = Complaints::default();
    let ending = run(&mut command, folder, |line| {
        if is_tcpdump_complaint(line) {
            complaints.add(line.trim());
        }
    })?;
    if !ending.status.success() {
        let last = ending.stderr.lines().last();
        complaints.add(last.unwrap_or("it failed and does not say why"));
    }
    Ok(complaints)
}

fn is_tcpdump_complaint(line: &str) -> bool {
    let said = TCPDUMP_COMPLAINTS.iter();
    !line.starts_with('\t') && said.into_iter().any(|complaint| line.contains(complaint))
}

/// Whether tcpreplay's suite takes every packet.
pub(super) fn tcpprep(capture: &Path, folder: &Path) -> Result<Complaints> {
    let option = |name: &str, path: &Path| {
        let mut option = std::ffi::OsString::from(name);
        option.push(path);
        option
    };
    let mut command = Command::new("tcpprep");
    command
        .arg("--auto=bridge")
        .arg(option("--pcap=", capture))
        .arg(option("--cachefile=", &folder.join("cache")));
    run(&mut command, folder, |_| {})?.complaints()
}

/// What lies in its `weird.log` and `reporter.log`.
pub(super) fn zeek(capture: &Path, folder: &Path) -> Result<Complaints> {
    let ending = run(Command::new("zeek").arg("-r").arg(capture), folder, |_| {})?;
    let mut complaints = ending.complaints()?;
    for log in ["weird.log", "reporter.log"] {
        let Ok(text) = fs::read_to_string(folder.join(log)) else {
            continue;
        };
        let rows = text.lines().filter(|line| !line.starts_with('#'));
        rows.for_each(|row| complaints.add(format!("{log}: {row}")));
    }
    Ok(complaints)
}

/// Its counters of packets that it could not decode or whose checksum was wrong, without rules.
pub(super) fn suricata(capture: &Path, folder: &Path) -> Result<Complaints> {
    let mut command = Command::new("suricata");
    command.args(["-k", "all", "-S", "/dev/null", "-l"]);
    command.arg(folder).arg("-r").arg(capture);
    let ending = run(&mut command, folder, |_| {})?;
    if !ending.status.success() {
        return ending.complaints();
    }
    let stats = fs::read_to_string(folder.join("stats.log")).context("it wrote no stats.log")?;
    Ok(suricata_counters(&stats))
}

/// The counters in the last table of a `stats.log`; those that are 0 are not in it.
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
        assert!(!good.into_iter().any(is_tcpdump_complaint));
        assert!(bad.into_iter().all(is_tcpdump_complaint));
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
