//! gzip (RFC 1952) around a body: decoded, masked, and coded again.

use super::Uninspectable;
use super::body::Plain;
use flate2::Compression;
use flate2::write::{GzEncoder, MultiGzDecoder};
use std::io::{self, Write};

/// How many bytes a body may expand to, for each of its bytes. Deflate cannot do more than 1032 (RFC 1951); what is
/// readable stays far below this.
const MAX_RATIO: u64 = 256;
/// How many bytes any body may expand to.
const FREE_BYTES: u64 = 1 << 20;
/// A chunk of a body that comes as slowly as this is passed on at once, in bytes; larger ones fill blocks.
const LIVE_BYTES: usize = 4 << 10;

/// A body in gzip, of one member or several.
#[derive(Debug)]
pub(super) struct Gzip {
    decoder: MultiGzDecoder<Recoder>,
}

/// Takes what was decoded.
#[derive(Debug)]
struct Recoder {
    plain: Plain,
    encoder: GzEncoder<Vec<u8>>,
    masked: Vec<u8>,
    /// How many more bytes may be decoded.
    left: u64,
    /// Whether what was taken is to be given out with this chunk.
    is_live: bool,
    failed: Option<Uninspectable>,
}

impl Gzip {
    pub(super) fn new(plain: Plain) -> Self {
        let encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let recoder = Recoder { plain, encoder, masked: Vec::new(), left: FREE_BYTES, is_live: false, failed: None };
        Self { decoder: MultiGzDecoder::new(recoder) }
    }

    pub(super) fn feed(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Uninspectable> {
        let recoder = self.decoder.get_mut();
        let bytes = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        recoder.left = recoder.left.saturating_add(bytes.saturating_mul(MAX_RATIO));
        recoder.is_live = chunk.len() <= LIVE_BYTES;
        let taken = self.decoder.write_all(chunk).and_then(|()| self.decoder.flush());
        self.settle(taken, out)
    }

    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Uninspectable> {
        let taken = self.decoder.try_finish().and_then(|()| self.decoder.get_mut().finish());
        self.settle(taken, out)
    }

    pub(super) fn plain(&self) -> &Plain {
        &self.decoder.get_ref().plain
    }

    pub(super) fn plain_mut(&mut self) -> &mut Plain {
        &mut self.decoder.get_mut().plain
    }

    /// Gives out what was coded again, or says whose error it was.
    fn settle(&mut self, taken: io::Result<()>, out: &mut Vec<u8>) -> Result<(), Uninspectable> {
        let recoder = self.decoder.get_mut();
        if taken.is_err() {
            return Err(*recoder.failed.get_or_insert(Uninspectable::Gzip));
        }
        out.append(recoder.encoder.get_mut());
        Ok(())
    }
}

impl Recoder {
    fn finish(&mut self) -> io::Result<()> {
        let finished = self.plain.finish(&mut self.masked);
        self.pass_on(finished)?;
        self.encoder.try_finish()
    }

    fn pass_on(&mut self, masked: Result<(), Uninspectable>) -> io::Result<()> {
        if let Err(error) = masked {
            self.failed = Some(error);
            return Err(io::ErrorKind::InvalidData.into());
        }
        let passed = self.encoder.write_all(&self.masked);
        self.masked.clear();
        passed
    }
}

impl Write for Recoder {
    fn write(&mut self, decoded: &[u8]) -> io::Result<usize> {
        if self.failed.is_some() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let left = u64::try_from(decoded.len()).ok().and_then(|bytes| self.left.checked_sub(bytes));
        let masked = match left {
            Some(left) => {
                self.left = left;
                self.plain.feed(decoded, &mut self.masked)
            }
            None => Err(Uninspectable::Expansion),
        };
        self.pass_on(masked)?;
        Ok(decoded.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.is_live { self.encoder.flush() } else { Ok(()) }
    }
}
