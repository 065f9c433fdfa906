//! Fields of a future OTLP: written into a request by hand, since no library has them.

/// The request with a field that no version of OTLP has in itself (depth 0), in its groups, scopes and records (depth 3).
pub(crate) fn with_unknown_fields(request: &[u8], text: impl Fn(usize) -> String) -> Vec<u8> {
    below(request, 0, &text)
}

fn below(message: &[u8], depth: usize, text: &dyn Fn(usize) -> String) -> Vec<u8> {
    // Groups are field 1 of a request; scopes are field 2 of a group and records field 2 of a scope.
    let nested = if depth == 0 { 1 } else { 2 };
    let mut out = vec![];
    let mut rest = message;
    while !rest.is_empty() {
        let mut field = rest;
        let (number, kind) = prost::encoding::decode_key(&mut field).unwrap();
        prost::encoding::skip_field(kind, number, &mut field, prost::encoding::DecodeContext::default()).unwrap();
        let (whole, after) = rest.split_at(rest.len() - field.len());
        rest = after;
        if number != nested || depth > 2 {
            out.extend_from_slice(whole);
            continue;
        }
        let mut body = whole;
        prost::encoding::decode_key(&mut body).unwrap();
        prost::encoding::decode_varint(&mut body).unwrap();
        put_field(&mut out, number, &below(body, depth + 1, text));
    }
    put_field(&mut out, 9_999, text(depth).as_bytes());
    out
}

fn put_field(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    prost::encoding::encode_key(number, prost::encoding::WireType::LengthDelimited, out);
    prost::encoding::encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}
