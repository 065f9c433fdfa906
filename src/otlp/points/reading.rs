//! The fields of a data point, kind by kind, and the shapes that numbers have on the wire.

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;

use super::{Buckets, Data, Exponential, Histogram, Kind, Number, Summary};
use crate::otlp::model::delimited;
use crate::otlp::schema::{self, Message};
use crate::otlp::wire::{Cursor, Field, WireValue, text};
use crate::otlp::{DecodeError, gather};

/// The numbers of a point while its fields come by.
pub(super) struct Reading<'a> {
    kind: Kind,
    message: &'static Message,
    arena: &'a Bump,
    number: Option<Number>,
    numbers: Exponential<'a>,
    counts: ArenaVec<'a, u64>,
    bounds: ArenaVec<'a, f64>,
    quantiles: ArenaVec<'a, (f64, f64)>,
    positive: ArenaVec<'a, &'a [u8]>,
    negative: ArenaVec<'a, &'a [u8]>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(kind: Kind, message: &'static Message, arena: &'a Bump) -> Self {
        Self {
            kind,
            message,
            arena,
            number: None,
            numbers: Exponential::default(),
            counts: ArenaVec::new_in(arena),
            bounds: ArenaVec::new_in(arena),
            quantiles: ArenaVec::new_in(arena),
            positive: ArenaVec::new_in(arena),
            negative: ArenaVec::new_in(arena),
        }
    }

    #[inline]
    pub(super) fn field(&mut self, field: &Field<'a>) -> Result<(), DecodeError> {
        match self.kind {
            Kind::Gauge | Kind::Sum { .. } => self.number_field(field),
            Kind::Histogram(_) => self.histogram_field(field),
            Kind::Exponential(_) => self.exponential_field(field),
            Kind::Summary => self.summary_field(field),
        }
    }

    #[inline]
    fn number_field(&mut self, field: &Field<'a>) -> Result<(), DecodeError> {
        match field.number {
            4 => self.number = Some(Number::Double(self.double(field)?)),
            6 => self.number = Some(Number::Int(self.fixed(field)?.cast_signed())),
            _ => {}
        }
        Ok(())
    }

    fn histogram_field(&mut self, field: &Field<'a>) -> Result<(), DecodeError> {
        match field.number {
            4 => self.numbers.count = self.fixed(field)?,
            5 => self.numbers.sum = Some(self.double(field)?),
            6 => each_fixed(self.message, field, |bits| self.counts.push(bits))?,
            7 => each_fixed(self.message, field, |bits| self.bounds.push(f64::from_bits(bits)))?,
            11 => self.numbers.min = Some(self.double(field)?),
            12 => self.numbers.max = Some(self.double(field)?),
            _ => {}
        }
        Ok(())
    }

    fn exponential_field(&mut self, field: &Field<'a>) -> Result<(), DecodeError> {
        match field.number {
            4 => self.numbers.count = self.fixed(field)?,
            5 => self.numbers.sum = Some(self.double(field)?),
            6 => self.numbers.scale = zigzag(self.message, field)?,
            7 => self.numbers.zero_count = self.fixed(field)?,
            8 => self.positive.push(delimited(self.message, field)?),
            9 => self.negative.push(delimited(self.message, field)?),
            12 => self.numbers.min = Some(self.double(field)?),
            13 => self.numbers.max = Some(self.double(field)?),
            14 => self.numbers.zero_threshold = self.double(field)?,
            _ => {}
        }
        Ok(())
    }

    fn summary_field(&mut self, field: &Field<'a>) -> Result<(), DecodeError> {
        match field.number {
            4 => self.numbers.count = self.fixed(field)?,
            5 => self.numbers.sum = Some(self.double(field)?),
            6 => self.quantiles.push(quantile(delimited(self.message, field)?)?),
            _ => {}
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Data<'a>, DecodeError> {
        let Exponential { count, sum, min, max, .. } = self.numbers;
        Ok(match self.kind {
            Kind::Gauge | Kind::Sum { .. } => Data::Number(self.number),
            Kind::Histogram(_) => {
                let (bounds, counts) = (self.bounds.into_bump_slice(), self.counts.into_bump_slice());
                Data::Histogram(Histogram { count, sum, min, max, bounds, counts })
            }
            Kind::Exponential(_) => Data::Exponential(Exponential {
                positive: buckets(&self.positive, self.arena)?,
                negative: buckets(&self.negative, self.arena)?,
                ..self.numbers
            }),
            Kind::Summary => {
                let quantiles = self.quantiles.into_bump_slice();
                Data::Summary(Summary { count, sum: sum.unwrap_or_default(), quantiles })
            }
        })
    }

    fn fixed(&self, field: &Field<'a>) -> Result<u64, DecodeError> {
        fixed(self.message, field)
    }

    fn double(&self, field: &Field<'a>) -> Result<f64, DecodeError> {
        fixed(self.message, field).map(f64::from_bits)
    }
}

fn quantile(raw: &[u8]) -> Result<(f64, f64), DecodeError> {
    let (mut quantile, mut value) = (0.0, 0.0);
    let mut cursor = Cursor::new(raw);
    while let Some(field) = cursor.next_field()? {
        match field.number {
            1 => quantile = f64::from_bits(fixed(&schema::QUANTILE, &field)?),
            2 => value = f64::from_bits(fixed(&schema::QUANTILE, &field)?),
            _ => {}
        }
    }
    Ok((quantile, value))
}

fn buckets<'a>(parts: &[&'a [u8]], arena: &'a Bump) -> Result<Buckets<'a>, DecodeError> {
    let (mut offset, mut counts) = (0, ArenaVec::new_in(arena));
    for part in parts {
        let mut cursor = Cursor::new(part);
        while let Some(field) = cursor.next_field()? {
            match (field.number, field.value) {
                (1, _) => offset = zigzag(&schema::BUCKETS, &field)?,
                (2, WireValue::Varint(count)) => counts.push(count),
                (2, WireValue::Bytes(packed)) => {
                    let mut packed = Cursor::new(packed);
                    while !packed.is_empty() {
                        counts.push(packed.varint()?);
                    }
                }
                (2, other) => return Err(gather::wrong_type(schema::BUCKETS.name, 2, other)),
                _ => {}
            }
        }
    }
    Ok(Buckets { offset, counts: counts.into_bump_slice() })
}

/// The eight-byte numbers of a list, packed or not.
fn each_fixed(message: &'static Message, field: &Field<'_>, mut visit: impl FnMut(u64)) -> Result<(), DecodeError> {
    match field.value {
        WireValue::Fixed64(bits) => visit(bits),
        WireValue::Bytes(packed) => {
            let (numbers, rest) = packed.as_chunks();
            numbers.iter().for_each(|number| visit(u64::from_le_bytes(*number)));
            if !rest.is_empty() {
                return Err(DecodeError::Truncated);
            }
        }
        other => return Err(gather::wrong_type(message.name, field.number, other)),
    }
    Ok(())
}

#[inline]
pub(super) fn fixed(message: &'static Message, field: &Field<'_>) -> Result<u64, DecodeError> {
    match field.value {
        WireValue::Fixed64(bits) => Ok(bits),
        other => Err(gather::wrong_type(message.name, field.number, other)),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "protobuf keeps the low 32 bits of a uint32")]
pub(super) fn flags(message: &'static Message, field: &Field<'_>) -> Result<u32, DecodeError> {
    match field.value {
        WireValue::Varint(flags) => Ok(flags as u32),
        other => Err(gather::wrong_type(message.name, field.number, other)),
    }
}

/// A `sint32`.
fn zigzag(message: &'static Message, field: &Field<'_>) -> Result<i32, DecodeError> {
    let number = flags(message, field)?;
    Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
}

pub(super) fn text_of<'a>(message: &'static Message, field: &Field<'a>) -> Result<&'a str, DecodeError> {
    text(delimited(message, field)?, message.name)
}
