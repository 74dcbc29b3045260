//! Makes text of others safe to show: what servers, programs and controllers say reaches terminals by `kubectl get`, by events
//! and by the log. Pure.

/// Longest message of a condition that is kept, in characters: the API server takes 32,768 bytes.
pub const LONGEST_MESSAGE: usize = 8_000;

/// The text with nothing in it that a terminal acts on or that a reader cannot see, and at most `most` characters of it.
///
/// Line feeds and tabs stay. Colours (ANSI sequences `ESC [ … letter`) and characters without a glyph, also those that turn the
/// direction of writing, are left out, so that none of them hides a word from [`crate::redaction`]. Any other control character
/// becomes visible, for instance as `\u{7}`.
pub fn plain(text: &str, most: usize) -> String {
    let mut shown = String::new();
    let mut length = 0;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if length >= most {
            shown.pop();
            shown.push('…');
            break;
        }
        match c {
            '\u{1b}' if rest.peek() == Some(&'[') => skip_sequence(&mut rest),
            '\u{9b}' => skip_parameters(&mut rest),
            '\r' if rest.peek() == Some(&'\n') => {}
            '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
                shown.push('\n');
                length += 1;
            }
            '\n' | '\t' => {
                shown.push(c);
                length += 1;
            }
            c if c.is_control() => {
                let escaped = c.escape_unicode();
                length += escaped.len();
                shown.extend(escaped);
            }
            c if is_invisible(c) => {}
            c => {
                shown.push(c);
                length += 1;
            }
        }
    }
    if length > most {
        shown = shown.chars().take(most.saturating_sub(1)).chain(['…']).collect();
    }
    shown
}

/// The text without characters that nobody sees or that turn the direction of writing, for a log whose format escapes control
/// characters itself.
pub fn visible(text: &str) -> String {
    text.chars().filter(|c| !is_invisible(*c)).collect()
}

/// [`plain`], on one line.
pub fn plain_line(text: &str, most: usize) -> String {
    plain(text, most).replace(['\n', '\t'], " ")
}

fn skip_sequence(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    rest.next();
    skip_parameters(rest);
}

/// Parameters and the letter that ends a sequence. What is none is left.
fn skip_parameters(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while rest.next_if(|c| matches!(c, ' '..='?')).is_some() {}
    rest.next_if(|c| matches!(c, '@'..='~'));
}

/// Unicode's format characters (Cf), and letters and marks that have no glyph of their own.
fn is_invisible(c: char) -> bool {
    matches!(
        u32::from(c),
        0xAD | 0x34F
            | 0x600..=0x605
            | 0x61C
            | 0x6DD
            | 0x70F
            | 0x890..=0x891
            | 0x8E2
            | 0x115F..=0x1160
            | 0x17B4..=0x17B5
            | 0x180B..=0x180F
            | 0x200B..=0x200F
            | 0x202A..=0x202E
            | 0x2060..=0x206F
            | 0x3164
            | 0xFE00..=0xFE0F
            | 0xFEFF
            | 0xFFA0
            | 0xFFF0..=0xFFFB
            | 0x1_10BD
            | 0x1_10CD
            | 0x1_3430..=0x1_343F
            | 0x1_BCA0..=0x1_BCA3
            | 0x1_D173..=0x1_D17A
            | 0xE_0000..=0xE_0FFF
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_terminal_would_act_on_goes_and_what_people_write_stays() {
        for (text, shown) in [
            ("ERROR: Größe 5 µm → 日本\n\tat x", "ERROR: Größe 5 µm → 日本\n\tat x"),
            ("\u{1b}[31mERROR\u{1b}[0m: no", "ERROR: no"),
            ("\u{9b}2Jgone", "gone"),
            ("\u{1b}]0;title\u{7}x", r"\u{1b}]0;title\u{7}x"),
            ("\u{1b}c", r"\u{1b}c"),
            ("a\rb\r\nc\u{2028}d", "a\nb\nc\nd"),
            ("user \u{202e}nimda\u{202c}", "user nimda"),
            ("pass\u{200b}word", "password"),
            ("\u{0}\u{8}\u{7f}", r"\u{0}\u{8}\u{7f}"),
            ("\u{e0041}\u{feff}x", "x"),
        ] {
            assert_eq!(plain(text, 100), shown, "{text:?}");
        }
        assert_eq!(plain("abcdef", 4), "abc…");
        assert_eq!(plain("abcd", 4), "abcd");
        assert_eq!(plain_line("a\r\nb\t\u{202e}c", 100), "a b c");
    }

    proptest! {
        #[test]
        fn nothing_invisible_is_left_and_the_length_is_bounded(text in any::<String>(), most in 1_usize..200) {
            let shown = plain(&text, most);
            prop_assert!(shown.chars().count() <= most);
            prop_assert!(shown.chars().all(|c| matches!(c, '\n' | '\t') || !(c.is_control() || is_invisible(c))), "{shown:?}");
        }

        #[test]
        fn it_is_done_once(text in any::<String>()) {
            let once = plain(&text, usize::MAX);
            prop_assert_eq!(plain(&once, usize::MAX), once);
        }
    }
}
