//! The bytes of a group on their way to the disk: what the writer makes itself, and between that the lines, which stay where
//! they are and are not copied.

use std::io::IoSlice;

/// Where lines go among the writer's own bytes.
#[derive(Debug, Default)]
pub(super) struct Pieces<'d> {
    /// Each line, and where in the writer's own bytes it belongs.
    lines: Vec<(usize, &'d [u8])>,
    lines_len: usize,
}

impl<'d> Pieces<'d> {
    /// Room for so many lines.
    pub(super) fn with_capacity(lines: usize) -> Self {
        Self { lines: Vec::with_capacity(lines), lines_len: 0 }
    }

    /// The line belongs behind what `own` holds by now.
    pub(super) fn line(&mut self, own: &[u8], line: &'d [u8]) {
        self.lines.push((own.len(), line));
        self.lines_len += line.len();
    }

    /// How many bytes there are together with the writer's own.
    pub(super) fn len_with(&self, own: &[u8]) -> u64 {
        (own.len() + self.lines_len) as u64
    }

    /// All of them in order.
    pub(super) fn slices<'s>(&'s self, own: &'s [u8]) -> Vec<IoSlice<'s>> {
        let mut slices = Vec::with_capacity(2 * self.lines.len() + 1);
        let mut from = 0;
        for (at, line) in &self.lines {
            slices.extend([IoSlice::new(&own[from..*at]), IoSlice::new(line)]);
            from = *at;
        }
        slices.push(IoSlice::new(&own[from..]));
        slices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_among_the_writers_own_bytes() {
        let (mut own, mut pieces) = (b"a".to_vec(), Pieces::default());
        pieces.line(&own, b"1");
        pieces.line(&own, b"22");
        own.extend_from_slice(b"bc");
        pieces.line(&own, b"3");
        let all: Vec<u8> = pieces.slices(&own).iter().flat_map(|slice| slice.to_vec()).collect();
        assert_eq!(all, b"a122bc3");
        assert_eq!(pieces.len_with(&own), 7);
    }
}
