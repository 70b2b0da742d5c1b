use std::io::Write;
use tracecodec::{compile::CompileConfig, oracle::Proof, pcap};
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let mut reader = match pcap::Reader::open(&args[1]) {
        Ok(r) => r,
        Err(e) => {
            println!("OPENERR {e}");
            return;
        }
    };
    let mut proof = Proof::new(CompileConfig {
        payload: if args.get(4).is_some() {
            tracecodec::compile::PayloadPolicy::Truncate
        } else {
            Default::default()
        },
        ..Default::default()
    });
    let mut w = args
        .get(2)
        .map(|p| pcap::Writer::create(p, pcap::Format::of_path(p)).unwrap());
    let mut map = args
        .get(3)
        .map(|p| std::io::BufWriter::new(std::fs::File::create(p).unwrap()));
    let (mut n, mut losses) = (0u64, 0);
    loop {
        match reader.next() {
            None => break,
            Some(Err(e)) => {
                println!("READERR {e}");
                break;
            }
            Some(Ok(p)) => {
                n += 1;
                let tcp = matches!(tracecodec::wire::parse(&p), Ok(h) if matches!(h.transport, tracecodec::wire::Transport::Tcp(_)));
                if let Some((out, loss)) = proof.step(&p) {
                    if let Some(l) = loss {
                        losses += 1;
                        if losses < 4 {
                            println!("LOSS {n} {l:?}");
                        }
                    }
                    if let Some(w) = w.as_mut() {
                        if let Err(e) = w.write(&out) {
                            println!("WRITEERR {e}");
                        }
                    }
                    if let Some(m) = map.as_mut() {
                        writeln!(m, "{n} {}", tcp as u8).unwrap();
                    }
                }
            }
        }
    }
    if let Some(w) = w {
        w.finish().unwrap();
    }
    let c = proof.counts();
    println!(
        "packets {} actions {} losses {losses} splits {} evict {} legal {} skipped {:?}",
        c.packets,
        c.actions(),
        proof.splits(),
        c.evictions,
        proof.legalisations().total(),
        c.skipped
    );
}
