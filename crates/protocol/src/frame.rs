//! One message on the wire: four bytes of length (big endian), one byte that counts the descriptors sent
//! along, the JSON. Pure.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::channel::Error;

/// Length and descriptor count.
pub(crate) const HEADER: usize = 5;

/// A longer message is an error of the peer, or no peer of ours.
pub(crate) const LONGEST: usize = 32 * 1024 * 1024;

/// The most descriptors that one message carries; the kernel's own limit is 253.
pub(crate) const MOST_DESCRIPTORS: usize = 128;

/// The bytes of `message`, which goes with `descriptors` descriptors.
pub(crate) fn encode<M: Serialize>(message: &M, descriptors: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; HEADER];
    serde_json::to_writer(&mut bytes, message).map_err(Error::Message)?;
    let length = bytes.len() - HEADER;
    if length > LONGEST {
        return Err(Error::TooLong(length));
    }
    let count = u8::try_from(descriptors)
        .ok()
        .filter(|_| descriptors <= MOST_DESCRIPTORS)
        .ok_or(Error::TooManyDescriptors(descriptors))?;
    let prefix = u32::try_from(length).map_err(|_| Error::TooLong(length))?;
    bytes[..4].copy_from_slice(&prefix.to_be_bytes());
    bytes[4] = count;
    Ok(bytes)
}

/// The lengths that a frame begins with: of its JSON, and how many descriptors it has.
/// `None` while the header is not complete.
pub(crate) fn header(bytes: &[u8]) -> Result<Option<(usize, usize)>, Error> {
    let Some(header) = bytes.first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let [a, b, c, d, count] = *header;
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    if length > LONGEST {
        return Err(Error::TooLong(length));
    }
    Ok(Some((length, usize::from(count))))
}

/// Takes the first whole message off `bytes`. `None` while it is not complete.
pub(crate) fn decode<M: DeserializeOwned>(
    bytes: &mut Vec<u8>,
) -> Result<Option<(M, usize)>, Error> {
    let Some((length, descriptors)) = header(bytes)? else {
        return Ok(None);
    };
    let end = HEADER + length;
    if bytes.len() < end {
        return Ok(None);
    }
    let message = serde_json::from_slice(&bytes[HEADER..end]).map_err(Error::Message)?;
    bytes.drain(..end);
    Ok(Some((message, descriptors)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_any_cut() {
        let whole = encode(&vec!["one", "two"], 3).unwrap();
        for cut in 0..whole.len() {
            let mut bytes = whole[..cut].to_vec();
            assert!(decode::<Vec<String>>(&mut bytes).unwrap().is_none());
            bytes.extend_from_slice(&whole[cut..]);
            bytes.push(7);
            let (message, descriptors) = decode::<Vec<String>>(&mut bytes).unwrap().unwrap();
            assert_eq!(
                (message, descriptors),
                (vec!["one".to_owned(), "two".to_owned()], 3)
            );
            assert_eq!(bytes, [7]);
        }
    }

    #[test]
    fn a_length_beyond_reason_is_refused_before_it_is_awaited() {
        let mut bytes = vec![0xff, 0xff, 0xff, 0xff, 0];
        assert!(matches!(
            decode::<String>(&mut bytes),
            Err(Error::TooLong(_))
        ));
    }
}
