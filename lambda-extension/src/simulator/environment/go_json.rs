//! What is wrong with a JSON text, in the words of Go's parser: they come back in Lambda's refusals.

/// Checks the syntax as Go's scanner does, byte by byte.
pub(super) fn check(text: &[u8]) -> Result<(), String> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.run()
}

/// Where a value stands, which decides what may follow it.
#[derive(Clone, Copy)]
enum Inside {
    Array,
    Object,
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn run(&mut self) -> Result<(), String> {
        let mut open = Vec::new();
        loop {
            // A value begins here; opening brackets lead to the first value within, closing ones end empty ones.
            let done = match self.significant()? {
                b'[' => {
                    self.at += 1;
                    if self.significant()? == b']' {
                        self.at += 1;
                        true
                    } else {
                        open.push(Inside::Array);
                        false
                    }
                }
                b'{' => {
                    self.at += 1;
                    if self.significant()? == b'}' {
                        self.at += 1;
                        true
                    } else {
                        self.key()?;
                        open.push(Inside::Object);
                        false
                    }
                }
                _ => {
                    self.scalar()?;
                    true
                }
            };
            if done && !self.after_value(&mut open)? {
                return Ok(());
            }
        }
    }

    /// Goes from the end of a value to the begin of the next; `false` at the end of the text.
    fn after_value(&mut self, open: &mut Vec<Inside>) -> Result<bool, String> {
        loop {
            let Some(inside) = open.last() else {
                return match self.significant() {
                    Ok(_) => Err(self.unexpected("after top-level value")),
                    Err(_) => Ok(false),
                };
            };
            let (end, words) = match inside {
                Inside::Array => (b']', "after array element"),
                Inside::Object => (b'}', "after object key:value pair"),
            };
            match (self.significant()?, inside) {
                (b',', Inside::Array) => self.at += 1,
                (b',', Inside::Object) => {
                    self.at += 1;
                    self.key()?;
                }
                (byte, _) if byte == end => {
                    self.at += 1;
                    open.pop();
                    continue;
                }
                _ => return Err(self.unexpected(words)),
            }
            return Ok(true);
        }
    }

    fn key(&mut self) -> Result<(), String> {
        if self.significant()? != b'"' {
            return Err(self.unexpected("looking for beginning of object key string"));
        }
        self.string()?;
        if self.significant()? != b':' {
            return Err(self.unexpected("after object key"));
        }
        self.at += 1;
        Ok(())
    }

    fn scalar(&mut self) -> Result<(), String> {
        match self.byte()? {
            b'"' => self.string(),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            b'-' | b'0'..=b'9' => self.number(),
            _ => Err(self.unexpected("looking for beginning of value")),
        }
    }

    fn string(&mut self) -> Result<(), String> {
        self.at += 1;
        loop {
            match self.byte()? {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => self.escape()?,
                0..0x20 => return Err(self.unexpected("in string literal")),
                _ => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Result<(), String> {
        self.at += 1;
        match self.byte()? {
            b'u' => {
                for _ in 0..4 {
                    self.at += 1;
                    if !self.byte()?.is_ascii_hexdigit() {
                        return Err(self.unexpected("in \\u hexadecimal character escape"));
                    }
                }
            }
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
            _ => return Err(self.unexpected("in string escape code")),
        }
        self.at += 1;
        Ok(())
    }

    fn literal(&mut self, word: &str) -> Result<(), String> {
        for expected in word.chars() {
            if char::from(self.byte()?) != expected {
                return Err(self.unexpected(&format!("in literal {word} (expecting '{expected}')")));
            }
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), String> {
        if self.byte()? == b'-' {
            self.at += 1;
        }
        if self.byte()? == b'0' {
            self.at += 1;
        } else {
            self.digits("in numeric literal")?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.byte()?, b'+' | b'-') {
                self.at += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        Ok(())
    }

    fn digits(&mut self, words: &str) -> Result<(), String> {
        if !self.byte()?.is_ascii_digit() {
            return Err(self.unexpected(words));
        }
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    fn significant(&mut self) -> Result<u8, String> {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
        self.byte()
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn byte(&self) -> Result<u8, String> {
        self.peek().ok_or_else(|| "unexpected end of JSON input".to_owned())
    }

    fn unexpected(&self, words: &str) -> String {
        let byte = self.peek().unwrap_or_default();
        let shown = match byte {
            b'\'' => "\\'".to_owned(),
            b'\\' => "\\\\".to_owned(),
            b'\n' => "\\n".to_owned(),
            b'\r' => "\\r".to_owned(),
            b'\t' => "\\t".to_owned(),
            0..0x20 | 0x7f => format!("\\x{byte:02x}"),
            _ => char::from(byte).to_string(),
        };
        format!("invalid character '{shown}' {words}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_json_allows_is_allowed() {
        for text in [
            "{}",
            " [ ] ",
            "null",
            "-0.5e+10",
            "\"a\\u00e9\\n\"",
            "{\"a\":[1,{\"b\":null},\"c\"],\"d\":{}}",
            "[[],[[]]]\n",
        ] {
            assert_eq!(check(text.as_bytes()), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_in_gos_words() {
        let end = "unexpected end of JSON input";
        for text in ["", " ", "{", "[1", "[1,", "{\"a\"", "{\"a\":", "\"a", "-", "1.", "tr"] {
            assert_eq!(check(text.as_bytes()), Err(end.to_owned()), "{text}");
        }
        for (text, words) in [
            ("x", "'x' looking for beginning of value"),
            ("{x", "'x' looking for beginning of object key string"),
            ("{\"a\":1,}", "'}' looking for beginning of object key string"),
            ("{\"a\"}", "'}' after object key"),
            ("{\"a\":1 2", "'2' after object key:value pair"),
            ("[1 2", "'2' after array element"),
            ("[1,]", "']' looking for beginning of value"),
            ("{} x", "'x' after top-level value"),
            ("01", "'1' after top-level value"),
            ("\"\n\"", "'\\n' in string literal"),
            ("\"\\x\"", "'x' in string escape code"),
            ("\"\\u00g0\"", "'g' in \\u hexadecimal character escape"),
            ("nil", "'i' in literal null (expecting 'u')"),
            ("-x", "'x' in numeric literal"),
            ("1.x", "'x' after decimal point in numeric literal"),
            ("1ex", "'x' in exponent of numeric literal"),
        ] {
            assert_eq!(check(text.as_bytes()), Err(format!("invalid character {words}")), "{text}");
        }
    }
}
