//! The users that /etc/passwd lists.

/// The file.
pub const FILE: &str = "/etc/passwd";

/// A line of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User<'a> {
    /// Bytes of the administrator's choice.
    pub name: &'a [u8],
    /// Its number.
    pub uid: u32,
    /// The number of its group.
    pub gid: u32,
}

/// Those that `passwd`, the content of the file, lists. A line of another form is passed over.
pub fn listed(passwd: &[u8]) -> impl Iterator<Item = User<'_>> {
    passwd.split(|&byte| byte == b'\n').filter_map(|line| {
        let mut fields = line.split(|&byte| byte == b':');
        let number = |field: Option<&[u8]>| std::str::from_utf8(field?).ok()?.parse().ok();
        let name = fields.next()?;
        let uid = number(fields.nth(1))?;
        Some(User { name, uid, gid: number(fields.next())? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_another_form_are_passed_over() {
        let passwd = b"root:x:0:0:root:/root:/bin/sh\nbroken\nno:x:number:1::/:\nwww:x:33:34::/:/bin/false\n";
        let users: Vec<_> = listed(passwd).collect();
        let [root, www] =
            [(&b"root"[..], 0, 0), (&b"www"[..], 33, 34)].map(|(name, uid, gid)| User { name, uid, gid });
        assert_eq!(users, [root, www]);
    }
}
