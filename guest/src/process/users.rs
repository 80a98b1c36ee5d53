//! Users and groups from the guest's own /etc/passwd and /etc/group (no NSS: the agent is static).
use crate::failure::{Code, Failure, Outcome};
use std::fs;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    /// Supplementary groups, the primary one among them.
    pub groups: Vec<u32>,
    pub home: String,
    pub shell: String,
}

/// "name", "uid", "name:group", "uid:gid"; empty is root. A number needs no entry in the files.
pub fn find_user(spec: &str) -> Outcome<User> {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let group = fs::read_to_string("/etc/group").unwrap_or_default();
    find_in(spec, &passwd, &group)
}

fn find_in(spec: &str, passwd: &str, group: &str) -> Outcome<User> {
    let (user, wanted_group) = match spec.split_once(':') {
        Some((user, wanted)) => (user, Some(wanted)),
        None => (spec, None),
    };
    let mut found = find_account(if user.is_empty() { "0" } else { user }, passwd)?;
    if let Some(wanted) = wanted_group {
        found.gid = find_group(wanted, group)?;
        found.groups = vec![found.gid];
    } else {
        found.groups = groups_of(&found, group);
    }
    Ok(found)
}

fn find_account(wanted: &str, passwd: &str) -> Outcome<User> {
    let number = wanted.parse::<u32>().ok();
    for line in passwd.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, gid, _, home, shell] = fields[..] else { continue };
        let (Ok(uid), Ok(gid)) = (uid.parse(), gid.parse()) else { continue };
        if name == wanted || number == Some(uid) {
            let (name, home, shell) = (name.into(), home.into(), shell.into());
            return Ok(User { name, uid, gid, groups: vec![], home, shell });
        }
    }
    match number {
        Some(uid) => {
            let (name, home) = if uid == 0 { ("root".into(), "/root".into()) } else { (uid.to_string(), "/".into()) };
            Ok(User { name, uid, gid: if uid == 0 { 0 } else { uid }, groups: vec![], home, shell: String::new() })
        }
        None => Err(Failure::new(Code::NotFound, format!("there is no user {wanted:?} in the guest's /etc/passwd"))),
    }
}

fn find_group(wanted: &str, group: &str) -> Outcome<u32> {
    if let Ok(gid) = wanted.parse() {
        return Ok(gid);
    }
    group
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.len() >= 3 && fields[0] == wanted)
        .and_then(|fields| fields[2].parse().ok())
        .ok_or_else(|| Failure::new(Code::NotFound, format!("there is no group {wanted:?} in the guest's /etc/group")))
}

fn groups_of(user: &User, group: &str) -> Vec<u32> {
    let mut groups = vec![user.gid];
    for line in group.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let [_, _, gid, members] = fields[..] else { continue };
        let Ok(gid) = gid.parse() else { continue };
        if !groups.contains(&gid) && members.split(',').any(|member| member == user.name) {
            groups.push(gid);
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nbroken\nann:x:1000:1001::/home/ann:/bin/sh\n";
    const GROUP: &str = "root:x:0:\nann:x:1001:\naudio:x:29:bob,ann\nbad:line\n";

    #[test]
    fn finds_by_name_and_number_with_groups() {
        let ann = find_in("ann", PASSWD, GROUP).unwrap();
        assert_eq!(
            (ann.uid, ann.gid, ann.groups.clone(), ann.home.as_str()),
            (1000, 1001, vec![1001, 29], "/home/ann")
        );
        assert_eq!(find_in("1000", PASSWD, GROUP).unwrap(), ann);
        assert_eq!(find_in("ann:audio", PASSWD, GROUP).unwrap().groups, vec![29]);
        assert_eq!(find_in("", PASSWD, GROUP).unwrap().home, "/root");
    }

    #[test]
    fn numbers_need_no_entry_but_names_do() {
        let user = find_in("4711:12", PASSWD, GROUP).unwrap();
        assert_eq!((user.uid, user.gid, user.home.as_str()), (4711, 12, "/"));
        assert_eq!(find_in("0", "", "").unwrap().home, "/root");
        assert_eq!(find_in("eve", PASSWD, GROUP).unwrap_err().code, Code::NotFound);
        assert_eq!(find_in("ann:nobody", PASSWD, GROUP).unwrap_err().code, Code::NotFound);
    }
}
