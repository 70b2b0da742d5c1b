#![allow(clippy::all, clippy::print_stdout, missing_docs)]
use tracecodec::{action::OptionProfiles, artifact::*, lift::Lifter, shard::*};
fn main() {
    let a: Vec<String> = std::env::args().skip(1).collect();
    match a[0].as_str() {
        "shard" => {
            let config = ShardConfig {
                overwrite: true,
                size: ShardSize::Packets(a[1].parse().unwrap()),
                ..Default::default()
            };
            let t = std::time::Instant::now();
            let mut first = None;
            let m = shard(&a[3..], &a[2], &config, &mut |p| {
                if let Progress::Counting { .. } = p {
                    first.get_or_insert(t.elapsed());
                }
            });
            match m {
                Ok(m) => {
                    println!("read {:?} total {:?}", first, t.elapsed());
                    println!("{:#?}", m.totals);
                    for r in m.table6() {
                        println!("{r:?} {:?}", r.percentages());
                    }
                    let max = m.shards.iter().map(|s| s.census.packets).max();
                    println!(
                        "max {max:?} sessions {}",
                        m.shards.iter().map(|s| s.census.sessions).sum::<u64>()
                    );
                }
                Err(e) => println!("ERR {e} hint {:?}", e.hint()),
            }
        }
        "lift" => {
            let mut s = SourceFile::open(&a[1]).unwrap();
            let mut l = Lifter::new(65536, OptionProfiles::new());
            let mut w = ActionsWriter::create(&a[2]).unwrap();
            let t = std::time::Instant::now();
            while let Some(p) = s.next() {
                if let Ok(x) = l.lift(&p.unwrap()) {
                    w.write(&x).unwrap();
                }
            }
            w.finish(l.epoch(), l.profiles(), &l.counts()).unwrap();
            println!("{} actions {:?}", l.counts().actions(), t.elapsed());
        }
        "read" => {
            let t = std::time::Instant::now();
            match ActionsReader::open(&a[1]) {
                Err(e) => println!("ERR {e}"),
                Ok(mut r) => {
                    let mut n = 0u64;
                    let mut sum = 0i64;
                    for x in r.by_ref() {
                        match x {
                            Ok(x) => {
                                n += 1;
                                sum = sum.wrapping_add(x.delta_t)
                            }
                            Err(e) => println!("ERR {e} {:?}", e.hint()),
                        }
                    }
                    println!("{n} {sum} {:?} {:?}", t.elapsed(), r.epoch());
                }
            }
        }
        "verify" => {
            let mut s = SourceFile::open(&a[1]).unwrap();
            let mut l = Lifter::new(65536, OptionProfiles::new());
            let mut r = ActionsReader::open(&a[2]).unwrap();
            while let Some(p) = s.next() {
                if let Ok(x) = l.lift(&p.unwrap()) {
                    assert_eq!(x, r.next().unwrap().unwrap());
                }
            }
            assert!(r.next().is_none());
            println!("same");
        }
        _ => {}
    }
}
