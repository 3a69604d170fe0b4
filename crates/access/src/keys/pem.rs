use base64::{Engine as _, engine::general_purpose::STANDARD};

/// One block of a PEM file.
pub(crate) struct Block<'a> {
    pub(crate) label: &'a str,
    pub(crate) der: Vec<u8>,
}

/// Whether `text` has a PEM block, or the beginning of one.
pub(crate) fn is_pem(text: &str) -> bool {
    text.contains("-----BEGIN ")
}

/// The blocks of a file, whatever is between them; `None` if one is damaged.
pub(crate) fn blocks(text: &str) -> Option<Vec<Block<'_>>> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, behind)) = rest.split_once("-----BEGIN ") {
        let (label, behind) = behind.split_once("-----")?;
        let (body, behind) = behind.split_once("-----END ")?;
        let (end, behind) = behind.split_once("-----")?;
        let body: String = body.split_ascii_whitespace().collect();
        let der = STANDARD.decode(body).ok()?;
        (label == end).then(|| blocks.push(Block { label, der }))?;
        rest = behind;
    }
    Some(blocks)
}
