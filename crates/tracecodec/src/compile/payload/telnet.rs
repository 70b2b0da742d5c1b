//! Telnet (RFC 854): the first segments of each side start with offers of options, or with requests
//! for them; text follows.

use super::{Filler, Message, Messages, Side, Stream};

pub(super) const STREAM: Stream = Stream {
    messages: |side| {
        let [second, third, fourth] = side.later.map(u32::from);
        Messages {
            opening: [side.first, second, third, fourth].map(|len| (1, len)),
            rest: TEXT,
        }
    },
    write,
    longest_start: OPTIONS.len() as u32 * OPTION,
    filler: Filler::Text,
    shortest_segment: 1,
    shortest_end: 1,
};

/// Options: echo, no turns, terminal type, window size, terminal speed, flow control, line mode,
/// environment, status, X display.
const OPTIONS: [u8; 10] = [1, 3, 24, 31, 32, 33, 34, 39, 5, 35];

/// Length of the text behind the options, which has no end.
const TEXT: u32 = u32::MAX;

/// Length of a command with its option.
const OPTION: u32 = 3;

/// Commands.
const INTERPRET_AS_COMMAND: u8 = 255;
const DO: u8 = 253;
const WILL: u8 = 251;

fn write(side: &Side, message: Message, out: &mut Vec<u8>) {
    if message.len == TEXT {
        return;
    }
    let command = if side.is_client { WILL } else { DO };
    let options = OPTIONS.iter().take((message.len / OPTION) as usize);
    out.extend(options.flat_map(|&option| [INTERPRET_AS_COMMAND, command, option]));
}
