//! Reading and writing the integers and strings of the protocol.

/// What is left of a payload. Every method gives `None` where it is too short.
#[derive(Clone, Copy)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// So many bytes.
    pub fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// One byte.
    pub fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    /// Two bytes, the lowest first.
    pub fn u16(&mut self) -> Option<u16> {
        self.take(2)
            .map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    /// Four bytes, the lowest first.
    pub fn u32(&mut self) -> Option<u32> {
        let bytes = self.take(4)?;
        Some(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// An integer that says its own length.
    pub fn integer(&mut self) -> Option<u64> {
        let width = match self.u8()? {
            0xfc => 2,
            0xfd => 3,
            0xfe => 8,
            small => return Some(u64::from(small)),
        };
        let bytes = self.take(width)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        )
    }

    /// A string that says its own length.
    pub fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.integer()?;
        self.take(usize::try_from(length).ok()?)
    }

    /// Up to a zero byte, which is taken too; without one, all.
    pub fn until_zero(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == 0);
        let taken = &self.0[..end.unwrap_or(self.0.len())];
        self.0 = &self.0[(taken.len() + 1).min(self.0.len())..];
        taken
    }
}

/// Appends a string with its length.
pub fn put_string(out: &mut Vec<u8>, string: &[u8]) {
    let length = string.len();
    if length < 251 {
        out.push(length as u8);
    } else if length < 1 << 16 {
        out.push(0xfc);
        out.extend_from_slice(&(length as u16).to_le_bytes());
    } else if length < 1 << 24 {
        out.push(0xfd);
        out.extend_from_slice(&(length as u32).to_le_bytes()[..3]);
    } else {
        out.push(0xfe);
        out.extend_from_slice(&(length as u64).to_le_bytes());
    }
    out.extend_from_slice(string);
}

/// Appends one packet, of 16 MB at most.
pub fn put_packet(out: &mut Vec<u8>, sequence: u8, payload: &[u8]) {
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes()[..3]);
    out.push(sequence);
    out.extend_from_slice(payload);
}

/// Appends a payload as packets: one of every 16 MB, the last shorter than that.
pub fn put_packets(out: &mut Vec<u8>, mut sequence: u8, mut payload: &[u8]) {
    loop {
        let (now, rest) = payload.split_at(payload.len().min(super::WHOLE));
        put_packet(out, sequence, now);
        sequence = sequence.wrapping_add(1);
        payload = rest;
        if now.len() < super::WHOLE {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_and_strings_come_back() {
        for length in [0, 1, 250, 251, 70_000, 1 << 24] {
            let string = vec![7; length];
            let mut out = Vec::new();
            put_string(&mut out, &string);
            let mut reader = Reader(&out);
            assert_eq!(reader.string(), Some(&string[..]));
            assert!(reader.0.is_empty() && reader.u8().is_none());
        }
    }

    #[test]
    fn a_payload_of_whole_packets_ends_with_an_empty_one() {
        let mut out = Vec::new();
        put_packets(&mut out, 255, &vec![1; super::super::WHOLE]);
        assert_eq!(out.len(), super::super::WHOLE + 8);
        assert_eq!(&out[..4], &[255, 255, 255, 255]);
        assert_eq!(&out[super::super::WHOLE + 4..], &[0, 0, 0, 0]);
    }
}
