//! Checks an ONNX file's protobuf structure before anything is built from it.
//!
//! Readers turn messages into Rust values by recursion. A hostile file of a few hundred kilobytes could nest graphs
//! deeply enough to overflow the stack, or contain so many empty messages that they need a hundred times its size in
//! memory. Neither can be caught afterwards. So the structure is walked here first, without building anything, and
//! refused if it has more depth or fields than any network. prost does not limit fields or bytes, and its parser of
//! keys and lengths is not public: hence the two short functions at the end.

/// Maximum depth of messages (graphs in attributes of nodes in graphs). Real files have about 8.
const MAX_DEPTH: usize = 32;

/// Maximum number of fields in the file, where a tensor's data count as one. A network of 1,000 nodes has about 20,000.
const MAX_FIELDS: usize = 1_000_000;

/// The nested messages that readers here or in rten parse.
#[derive(Clone, Copy)]
enum Message {
    Model,
    Function,
    Graph,
    Node,
    Attribute,
    Tensor,
    ValueInfo,
    Type,
    TensorType,
    Sequence,
    Shape,
    Dimension,
    Pair,
}

impl Message {
    /// The type of a field that is a message. Field numbers are those of `onnx.proto`.
    fn child(self, field: u64) -> Option<Message> {
        use Message::*;
        Some(match (self, field) {
            (Model, 7) => Graph,
            (Model, 8 | 14) => Pair,
            (Model, 25) => Function,
            (Function, 7) => Node,
            (Function, 9) => Pair,
            (Function, 11) => Attribute,
            (Graph, 1) => Node,
            (Graph, 5) => Tensor,
            (Graph, 11..=13) => ValueInfo,
            (Node, 5) => Attribute,
            (Attribute, 5 | 10) => Tensor,
            (Attribute, 6 | 11) => Graph,
            (Tensor, 13) => Pair,
            (ValueInfo, 2) => Type,
            (Type, 1) => TensorType,
            (Type, 4) => Sequence,
            (TensorType, 2) => Shape,
            (Sequence, 1) => Type,
            (Shape, 1) => Dimension,
            _ => return None,
        })
    }
}

/// Walks the structure of a serialised `ModelProto`.
///
/// # Errors
/// Why the bytes are not an ONNX file, or exceed a limit.
pub fn walk(bytes: &[u8]) -> Result<(), String> {
    let mut fields = 0;
    walk_message(bytes, Message::Model, 0, &mut fields)
}

fn walk_message(mut bytes: &[u8], message: Message, depth: usize, fields: &mut usize) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err(format!("graphs or types are nested more than {MAX_DEPTH} messages deep"));
    }
    while !bytes.is_empty() {
        *fields += 1;
        if *fields > MAX_FIELDS {
            return Err(format!("the file has more than {MAX_FIELDS} fields"));
        }
        let tag = varint(&mut bytes)?;
        let (field, wire_type) = (tag >> 3, tag & 7);
        match wire_type {
            0 => {
                varint(&mut bytes)?;
            }
            1 => {
                take(&mut bytes, 8)?;
            }
            2 => {
                let length = varint(&mut bytes)?;
                let content = take(&mut bytes, length)?;
                if let Some(child) = message.child(field) {
                    walk_message(content, child, depth + 1, fields)?;
                }
            }
            5 => {
                take(&mut bytes, 4)?;
            }
            _ => return Err("not an ONNX file (unknown protobuf wire type)".into()),
        }
    }
    Ok(())
}

fn take<'a>(bytes: &mut &'a [u8], length: u64) -> Result<&'a [u8], String> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let (content, rest) = bytes
        .split_at_checked(length)
        .ok_or("the file is truncated or not an ONNX file (a length extends beyond the end)")?;
    *bytes = rest;
    Ok(content)
}

fn varint(bytes: &mut &[u8]) -> Result<u64, String> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("not an ONNX file (a number of more than ten bytes)".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A length-delimited field.
    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![number << 3 | 2];
        let mut length = content.len();
        while length >= 0x80 {
            bytes.push(length as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend_from_slice(content);
        bytes
    }

    #[test]
    fn nested_graphs_are_refused_by_depth() {
        let nested = |levels: usize| {
            let mut graph = Vec::new();
            for _ in 0..levels {
                graph = field(1, &field(5, &field(6, &graph)));
            }
            field(7, &graph)
        };
        assert_eq!(walk(&nested(5)), Ok(()));
        assert!(walk(&nested(20_000)).unwrap_err().contains("deep"));
    }

    #[test]
    fn a_multitude_of_empty_messages_is_refused() {
        let many = |count: usize| field(7, &[0x0a, 0].repeat(count));
        assert_eq!(walk(&many(1000)), Ok(()));
        assert!(walk(&many(MAX_FIELDS + 1)).unwrap_err().contains("fields"));
    }

    #[test]
    fn damage_is_named() {
        let whole = field(7, &field(1, b"node"));
        for end in 1..whole.len() {
            assert!(walk(&whole[..end]).is_err(), "{end}");
        }
        assert!(walk(b"RIFF....WAVE").is_err());
        assert!(walk(&[0xff; 32]).is_err());
    }
}
