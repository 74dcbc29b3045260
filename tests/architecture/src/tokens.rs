//! Rust source as identifiers and punctuation, without comments, literals and everything under `#[cfg(test)]`.

/// An identifier, or one other character; `::` is one token.
pub fn tokens(source: &str) -> Vec<String> {
    without_tests(&split(source))
}

fn split(source: &str) -> Vec<String> {
    let chars: Vec<char> = source.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let mut tokens = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        let c = at(i);
        if c == '/' && at(i + 1) == '/' {
            while i < chars.len() && at(i) != '\n' {
                i += 1;
            }
        } else if c == '/' && at(i + 1) == '*' {
            i = after_block_comment(&chars, i);
        } else if c == '"' {
            i = after_string(&chars, i);
        } else if c == '\'' {
            i = after_char_or_lifetime(&chars, i);
        } else if is_ident(c) {
            let start = i;
            while is_ident(at(i)) {
                i += 1;
            }
            let word: String = chars.get(start..i).unwrap_or_default().iter().collect();
            // r"", r#""#, b"", br#""#, c"": the prefix belongs to the literal.
            let hashes = (i..chars.len()).take_while(|&j| at(j) == '#').count();
            if matches!(word.as_str(), "r" | "br" | "cr") && at(i + hashes) == '"' {
                i = after_raw_string(&chars, i + hashes + 1, hashes);
            } else if matches!(word.as_str(), "b" | "c") && at(i) == '"' {
                i = after_string(&chars, i);
            } else {
                tokens.push(word);
            }
        } else if c == ':' && at(i + 1) == ':' {
            tokens.push("::".to_owned());
            i += 2;
        } else {
            if !c.is_whitespace() {
                tokens.push(c.to_string());
            }
            i += 1;
        }
    }
    tokens
}

fn is_ident(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn after_block_comment(chars: &[char], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut i = start;
    while i < chars.len() {
        match (chars.get(i), chars.get(i + 1)) {
            (Some('/'), Some('*')) => (depth, i) = (depth + 1, i + 2),
            (Some('*'), Some('/')) => (depth, i) = (depth.saturating_sub(1), i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            break;
        }
    }
    i
}

fn after_string(chars: &[char], start: usize) -> usize {
    let mut i = start + 1;
    while let Some(c) = chars.get(i) {
        match c {
            '\\' => i += 2,
            '"' => return i + 1,
            _ => i += 1,
        }
    }
    i
}

fn after_raw_string(chars: &[char], start: usize, hashes: usize) -> usize {
    let mut i = start;
    while let Some(c) = chars.get(i) {
        let closing = chars.get(i + 1..=i + hashes).unwrap_or_default();
        i += 1;
        if *c == '"' && closing.len() == hashes && closing.iter().all(|c| *c == '#') {
            return i + hashes;
        }
    }
    i
}

fn after_char_or_lifetime(chars: &[char], start: usize) -> usize {
    if chars.get(start + 1) == Some(&'\\') {
        let closing = (start + 3..chars.len()).find(|&i| chars.get(i) == Some(&'\''));
        return closing.map_or(chars.len(), |i| i + 1);
    }
    if chars.get(start + 2) == Some(&'\'') {
        return start + 3;
    }
    start + 1
}

/// Leaves out every item under `#[cfg(test)]`.
fn without_tests(tokens: &[String]) -> Vec<String> {
    const CFG_TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut rest = tokens;
    while let Some((first, after)) = rest.split_first() {
        let is_test = rest.len() >= CFG_TEST.len() && rest.iter().zip(CFG_TEST).all(|(token, word)| token == word);
        if is_test {
            rest = after_item(rest);
        } else {
            kept.push(first.clone());
            rest = after;
        }
    }
    kept
}

/// Tokens after the item at the beginning, with its attributes: it ends with the first `;` or the first block.
fn after_item(tokens: &[String]) -> &[String] {
    let mut depth = 0_usize;
    for (i, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && matches!(token.as_str(), ";" | "}") {
            return tokens.get(i + 1..).unwrap_or_default();
        }
    }
    &[]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_literals_and_tests_are_left_out() {
        let source = r##"
            //! crate::a
            /* crate::b /* crate::c */ crate::d */
            use crate::e; // crate::f
            const T: &str = "crate::g \" crate::h";
            const R: &str = r#"crate::i " crate::j"#;
            fn k<'a>(c: char) -> bool { c == '"' || c == '\'' || crate::l() }
            #[cfg(test)]
            #[path = "x.rs"]
            mod m;
            #[cfg(test)]
            mod n { use crate::o; fn p() { crate::q(); } }
            fn s() {}
        "##;
        let found = tokens(source).join(" ");
        assert_eq!(
            found,
            "use crate :: e ; const T : & str = ; const R : & str = ; fn k < a > ( c : char ) -> bool { c = = | | c = = \
             | | crate :: l ( ) } fn s ( ) { }"
                .replace("->", "- >")
        );
    }
}
