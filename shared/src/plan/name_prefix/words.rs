//! Words that decide which parts of a name belong to the family name. If a word is missing here,
//! families are split, or builds are merged that a person can separate with a tag.

/// Names of architectures, each with the name that EC2 uses. A name that EC2 does not use maps to
/// itself.
pub(super) const ARCHITECTURES: [(&str, &str); 17] = [
    ("x86_64", "x86_64"),
    ("x86-64", "x86_64"),
    ("amd64", "x86_64"),
    ("x64", "x86_64"),
    ("arm64", "arm64"),
    ("aarch64", "arm64"),
    ("i386", "i386"),
    ("i486", "i486"),
    ("i586", "i586"),
    ("i686", "i686"),
    ("armhf", "armhf"),
    ("armv7", "armv7"),
    ("armv7l", "armv7l"),
    ("ppc64le", "ppc64le"),
    ("riscv64", "riscv64"),
    ("s390x", "s390x"),
    ("x86", "x86"),
];
/// Words that belong to the family name although the date or version before them does not.
const KINDS: [&str; 13] = [
    "hvm", "ebs", "gp2", "gp3", "snapshot", "nightly", "preview", "dev", "pre", "alpha", "beta",
    "build", "rc",
];
/// The words in `KINDS` that a number may follow directly, as in `rc1`. The number does not belong
/// to the family name.
const NUMBERED: [&str; 4] = ["alpha", "beta", "build", "rc"];
/// Operating systems and software whose versions do not replace one another. The number after them
/// belongs to the family name.
const SYSTEMS: [&str; 56] = [
    "al",
    "alma",
    "almalinux",
    "amzn",
    "cassandra",
    "centos",
    "cuda",
    "debian",
    "dotnet",
    "eks",
    "el",
    "elasticsearch",
    "es",
    "fedora",
    "freebsd",
    "go",
    "java",
    "jdk",
    "k8s",
    "kafka",
    "kernel",
    "kubernetes",
    "leap",
    "level",
    "linux",
    "macos",
    "mariadb",
    "mongodb",
    "mssql",
    "mysql",
    "node",
    "nodejs",
    "ol",
    "openjdk",
    "opensearch",
    "opensuse",
    "oracle",
    "os",
    "pg",
    "php",
    "postgres",
    "postgresql",
    "python",
    "redhat",
    "redis",
    "rhel",
    "rocky",
    "ruby",
    "sles",
    "sql",
    "sqlserver",
    "stream",
    "tomcat",
    "ubuntu",
    "win",
    "windows",
];
/// Prefixes of AWS IDs. Hexadecimal digits after them are not a commit ID.
const AWS_IDS: [&str; 10] = ["ami", "eni", "i", "ip", "lt", "sg", "snap", "subnet", "vol", "vpc"];
/// Words whose following number or ID distinguishes families: another customer's images do not
/// replace those of `customer-42`.
const OWNERS: [&str; 19] = [
    "account",
    "acct",
    "client",
    "cluster",
    "cust",
    "customer",
    "host",
    "id",
    "kiosk",
    "org",
    "partition",
    "project",
    "shard",
    "site",
    "store",
    "tenant",
    "user",
    "vm",
    "zone",
];
/// The last word of a Region name before its number: `us-east-1`.
const COMPASS: [&str; 9] = [
    "central",
    "east",
    "north",
    "northeast",
    "northwest",
    "south",
    "southeast",
    "southwest",
    "west",
];

/// The architecture that `word` names, as EC2 calls it.
pub(crate) fn architecture(word: &str) -> Option<&'static str> {
    // Fast path: most words begin with another letter.
    if !word.starts_with(['x', 'X', 'a', 'A', 'i', 'I', 'p', 'P', 'r', 'R', 's', 'S']) {
        return None;
    }
    let mut known = ARCHITECTURES.iter();
    known.find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, architecture)| *architecture)
}

/// The length in bytes of a word in `KINDS`, without a number that directly follows it. `None` if
/// `word` is not one of these words.
pub(super) fn kind(word: &str) -> Option<usize> {
    if is_in(&KINDS, word) {
        return Some(word.len());
    }
    let letters = word.trim_end_matches(|c: char| c.is_ascii_digit());
    is_in(&NUMBERED, letters).then_some(letters.len())
}

pub(super) fn is_system(word: &str) -> bool {
    is_in(&SYSTEMS, word)
}

pub(super) fn begins_aws_id(word: &str) -> bool {
    is_in(&AWS_IDS, word)
}

pub(super) fn is_owner(word: &str) -> bool {
    is_in(&OWNERS, word)
}

pub(super) fn is_compass(word: &str) -> bool {
    is_in(&COMPASS, word)
}

fn is_in(words: &[&str], word: &str) -> bool {
    words.iter().any(|one| one.eq_ignore_ascii_case(word))
}
