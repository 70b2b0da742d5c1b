//! Arguments that several commands share, and what they mean to the pipeline.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use tracecodec::action::{Hosts, Services};
use tracecodec::choice::Choice;
use tracecodec::compile::{Link, PayloadPolicy};
use tracecodec::flow::MAX_SLOTS;
use tracecodec::select::{Filter, Selection, TimeBound};
use tracecodec::wire::Tunnels;
use tracecodec_nn::Device;
use tracecodec_pipeline::ModelName;
use tracecodec_pipeline::disclosure::Disclosure;
use tracecodec_pipeline::files::ReadPolicy;
use tracecodec_pipeline::lifting::Lifting;
use tracecodec_pipeline::realise::{Realise, SaltChoice};

use crate::choice::choice;
use crate::count::count;

/// How captures are read.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ReadArgs {
    /// Keep what comes before damage in a capture, with a warning, instead of failing.
    #[arg(long)]
    pub(crate) lenient: bool,
    /// Order packets by time first; packets of one time keep their order. Keeps the whole capture
    /// in memory.
    #[arg(long)]
    pub(crate) sort: bool,
    #[command(flatten)]
    pub(crate) headers: HeaderArgs,
}

/// How the headers of packets are read.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct HeaderArgs {
    /// If an IP header states more bytes than the capture says that were on the wire, believe the
    /// header: for captures that were cut by a tool which lost the original lengths.
    #[arg(long)]
    trust_ip_length: bool,
    /// Which packet of a tunnel is read; `inspect` counts tunnels.
    #[arg(long, value_name = "WHICH", value_parser = choice::<Tunnels>(), default_value = Tunnels::default().name())]
    tunnels: Tunnels,
}

impl HeaderArgs {
    /// How captures are read: all of their packets.
    pub(crate) fn policy(self) -> ReadPolicy {
        ReadPolicy {
            trust_ip_length: self.trust_ip_length,
            tunnels: self.tunnels,
            ..ReadPolicy::default()
        }
    }
}

impl ReadArgs {
    /// How captures are read: all of their packets.
    pub(crate) fn policy(self) -> ReadPolicy {
        ReadPolicy {
            lenient: self.lenient,
            sort: self.sort,
            ..self.headers.policy()
        }
    }
}

/// Which packets of captures are read, and how.
#[derive(Debug, Clone, Args)]
pub(crate) struct CaptureArgs {
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten)]
    selection: SelectionArgs,
}

impl CaptureArgs {
    /// How captures are read.
    pub(crate) fn policy(&self) -> ReadPolicy {
        ReadPolicy {
            selection: self.selection.selection(),
            ..self.read.policy()
        }
    }
}

/// Which packets of captures are read.
#[derive(Debug, Clone, Args)]
pub(crate) struct SelectionArgs {
    /// Read only packets that match, in the language of tcpdump: `tcp port 443 and not net
    /// 10.0.0.0/8`.
    #[arg(long, value_name = "EXPR", value_parser = selecting::<Filter>)]
    filter: Option<Filter>,
    /// Read only packets at this time or later: RFC 3339, seconds since 1970, or +SECONDS from the
    /// first packet.
    #[arg(long, value_name = "TIME", value_parser = selecting::<TimeBound>, allow_negative_numbers = true)]
    from: Option<TimeBound>,
    /// Read only packets before this time.
    #[arg(long, value_name = "TIME", value_parser = selecting::<TimeBound>, allow_negative_numbers = true)]
    to: Option<TimeBound>,
    /// Read at most N packets of each capture, of those that --filter, --from and --to leave.
    #[arg(long, value_name = "N", value_parser = count)]
    first: Option<u64>,
    /// Leave out the first N of those packets.
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, value_parser = count)]
    skip: u64,
}

impl SelectionArgs {
    /// Which packets of captures are read.
    pub(crate) fn selection(&self) -> Selection {
        Selection {
            filter: self.filter.clone(),
            from: self.from,
            to: self.to,
            first: self.first,
            skip: self.skip,
        }
    }
}

/// Reads a filter or a time. The error shows where a filter's fault is, and what to try.
fn selecting<T: FromStr<Err = tracecodec::Error>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: tracecodec::Error| {
        let caret = error.caret().map(|caret| format!("\n{caret}"));
        let hint = error.hint().map(|hint| format!("\nhint: {hint}"));
        format!(
            "{error}{}{}",
            caret.unwrap_or_default(),
            hint.unwrap_or_default()
        )
    })
}

/// How many captures are worked on at once.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct JobsArg {
    /// Captures at once; 0, the default: as many as there are cores.
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub(crate) jobs: usize,
}

/// What is kept of hosts and services.
#[derive(Debug, Clone, Args)]
pub(crate) struct KeepArgs {
    /// Keep these: `hosts` is `--hosts graph`, `services` is `--services class`.
    #[arg(long, value_name = "WHAT", value_delimiter = ',', value_parser = ["hosts", "services"])]
    keep: Vec<String>,
    /// What is kept of hosts [default: flow].
    #[arg(long, conflicts_with = "keep", value_parser = choice::<Hosts>())]
    hosts: Option<Hosts>,
    /// What is kept of services [default: none].
    #[arg(long, conflicts_with = "keep", value_parser = choice::<Services>())]
    services: Option<Services>,
}

impl KeepArgs {
    /// What is kept of hosts, if it was said.
    pub(crate) fn hosts(&self) -> Option<Hosts> {
        self.hosts.or(self.keeps("hosts").then_some(Hosts::Graph))
    }

    /// What is kept of services, if it was said.
    pub(crate) fn services(&self) -> Option<Services> {
        self.services
            .or(self.keeps("services").then_some(Services::Class))
    }

    fn keeps(&self, what: &str) -> bool {
        self.keep.iter().any(|kept| kept == what)
    }
}

/// How packets are lifted.
#[derive(Debug, Clone, Args)]
pub(crate) struct LiftArgs {
    #[command(flatten)]
    keep: KeepArgs,
    /// Version of the action schema: 1 is the paper's, without hosts and services [default: that
    /// of the codec, or else 2].
    #[arg(long, value_name = "VERSION", value_parser = clap::value_parser!(u32).range(1..=2))]
    schema: Option<u32>,
    /// Slots for live flows, of about 250 bytes each. When all are taken, a flow that is over loses
    /// its slot, or else the flow that was silent longest.
    #[arg(long, value_name = "N", default_value_t = MAX_SLOTS, value_parser = slots)]
    pub(crate) slots: usize,
}

impl LiftArgs {
    /// How packets are lifted.
    pub(crate) fn lifting(&self) -> Lifting {
        Lifting {
            schema: self.schema,
            hosts: self.keep.hosts().unwrap_or_default(),
            services: self.keep.services().unwrap_or_default(),
            slots: self.slots,
        }
    }
}

fn slots(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(slots @ 1..=MAX_SLOTS) => Ok(slots),
        _ => Err(format!("slots number from 1 to {}", MAX_SLOTS)),
    }
}

/// How actions are realised as packets.
#[derive(Debug, Clone, Args)]
pub(crate) struct RealiseArgs {
    /// Chooses the synthetic endpoints: a number, or `random` for a new one each run.
    #[arg(long, value_name = "N|random", default_value = "0")]
    pub(crate) salt: SaltChoice,
    /// Payload of the packets [default: synthetic; of traces that a generator makes with services,
    /// shaped].
    #[arg(long, value_parser = choice::<PayloadPolicy>())]
    pub(crate) payload: Option<PayloadPolicy>,
    /// The same as `--payload truncate`.
    #[arg(long, conflicts_with = "payload")]
    pub(crate) truncate: bool,
    /// Link layer of the output.
    #[arg(long, value_parser = choice::<Link>(), default_value = Link::default().name())]
    pub(crate) link: Link,
    /// Write microseconds instead of nanoseconds (pcap only), for old tools.
    #[arg(long)]
    pub(crate) us: bool,
    /// Split TCP segments whose IP packet is longer than N bytes (BIG TCP, segmentation offload),
    /// as an interface would have; of IPv6, at least 1280.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32))]
    pub(crate) mtu: Option<u32>,
    /// Render each packet as if it were the first of its flow: shows what the compiler's state is
    /// worth.
    #[arg(long, hide_short_help = true)]
    pub(crate) stateless: bool,
}

impl RealiseArgs {
    /// How actions are realised.
    pub(crate) fn realise(&self) -> Realise {
        Realise {
            salt: self.salt,
            payload: self
                .payload
                .or(self.truncate.then_some(PayloadPolicy::Truncate)),
            link: self.link,
            microseconds: self.us,
            mtu: self.mtu,
            stateless: self.stateless,
        }
    }
}

/// What is disclosed of the captures that something was made from.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct DisclosureArgs {
    /// Name no file, digest or date of a capture in what is written; the trace then begins on
    /// 2026-01-01.
    #[arg(long)]
    anonymous: bool,
    /// Time of the first packet, instead of the capture's: RFC 3339, seconds since 1970, or
    /// +SECONDS after the capture's.
    #[arg(long, value_name = "TIME", value_parser = selecting::<TimeBound>, allow_negative_numbers = true)]
    epoch: Option<TimeBound>,
}

impl DisclosureArgs {
    /// What is disclosed.
    pub(crate) fn disclosure(self) -> Disclosure {
        Disclosure {
            anonymous: self.anonymous,
            epoch: self.epoch,
        }
    }
}

/// Which codec to use.
#[derive(Debug, Clone, Args)]
pub(crate) struct ModelArgs {
    /// Folder of a trained codec; without it, or as `built-in`, the small one that is built in.
    #[arg(long, value_name = "DIR")]
    pub(crate) model: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) device: DeviceArg,
}

impl ModelArgs {
    /// Its name.
    pub(crate) fn name(&self) -> ModelName {
        self.model.clone().map(ModelName::from).unwrap_or_default()
    }
}

/// Where a network computes.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct DeviceArg {
    /// Where the network computes. GPUs need a build with the Cargo feature of that name.
    #[arg(long, value_name = "DEVICE", value_parser = choice::<Device>(), default_value_t = Device::Cpu)]
    device: Device,
}

impl DeviceArg {
    /// The device.
    pub(crate) fn device(self) -> Device {
        self.device
    }
}

/// How packets are encoded.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct RefineArgs {
    /// Take the encoder's means as they are. By default a mean that does not decode to its packet
    /// is moved until it does.
    #[arg(long)]
    pub(crate) no_refine: bool,
}

/// How latents are decoded.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ConstraintArgs {
    /// Take packets as they decode, whether their flows are open or not. By default the likeliest
    /// packet is taken that agrees with the flows that are open; latents that start in the middle
    /// of a trace need this option.
    #[arg(long)]
    pub(crate) unconstrained: bool,
}

/// A file to write, or `-` for stdout.
#[derive(Debug, Clone, Args)]
pub(crate) struct OutputArg {
    /// File to write; - is stdout. The name decides format and compression.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

/// A capture to write, or a folder of captures.
#[derive(Debug, Clone, Args)]
#[group(id = "capture", required = true, multiple = false)]
pub(crate) struct CaptureOutputArgs {
    /// File to write; - is stdout. The name decides format and compression.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write a capture for each session instead, the client first, into this folder, which must be
    /// new or empty: 000001-tcp.pcapng and so on, in the order of their first packets.
    #[arg(long, value_name = "DIR", conflicts_with = "us")]
    split_flows: Option<PathBuf>,
}

impl CaptureOutputArgs {
    /// The file or the folder.
    pub(crate) fn path(&self) -> PathBuf {
        let path = self.output.as_ref().or(self.split_flows.as_ref());
        path.expect("one of them is required").clone()
    }

    /// Whether it is a folder of captures, one a session.
    pub(crate) fn split_flows(&self) -> bool {
        self.split_flows.is_some()
    }
}
