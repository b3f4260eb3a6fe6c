use super::*;

/// Names by family name. The architecture follows a `|`.
const FAMILIES: &[(&str, &[&str])] = &[
    (
        "web",
        &[
            "web",
            "web-",
            "web-17",
            "web_v17",
            "web-20261121",
            "web.20261121",
            "web (20261121)",
            "web [17]",
            "web@20261121",
            "web/17",
            "web-2026-11-21",
            "web-21-11-2026",
            "web-2026.11.21",
            "web_2026_11_21",
            "web-20261121-0312",
            "web-2026-11-21-03-12-00",
            "web-2026-11-21T03:12:00Z",
            "web-2026-11-21t03:12:00z",
            "web-2026-11-21T03:12:00+01:00",
            "web-2026-11-21t03-12-00z",
            "web-20261121t031200z",
            "web-20261121T031200Z",
            "web-202611210312",
            "web-1763175600",
            "web-1763175600123",
            "web-1.2",
            "web-1.2.3",
            "web-v1.2.3",
            "web.v1.2.3",
            "web-1.2.3+17",
            "web-1a2b3c4",
            "web-g1a2b3c4",
            "web-0a1b2c3d4e5f60718293a4b5c6d7e8f901234567",
            "web-20261121-1a2b3c4",
            "web-1.2.3-5-g1a2b3c4",
            "web--20261121",
            // At the beginning.
            "20261121-web",
            "2026-11-21_web",
            "v1.2.3-web-17",
        ],
    ),
    ("web-rc", &["web-1.2.3-rc1", "web-1.2.3-rc.2", "web-1.2.4-rc3", "web-rc-4", "web-rc5"]),
    ("web-RC", &["web-1.2.4-RC3"]),
    ("web-1.4-rc", &["web-1.4-rc1", "web-1.4-rc2"]),
    ("web-beta", &["web-beta", "web-beta-2", "web-beta2", "web-1.2.3-beta.1"]),
    ("web-nightly", &["web-20261121-nightly", "web-nightly-20261121"]),
    // In the middle, only parts that certainly do not belong to the family name are removed.
    (
        "web-prod",
        &[
            "web-prod",
            "web-20261121-prod",
            "web-20261122-0312-prod",
            "web-2026-11-21-prod",
            "web-2026-11-21T03:12:00Z-prod",
            "web-2026-11-21-03-12-prod-17",
            "web-20261121.1-prod",
            "web-1763175600-prod",
            "web-v1.2.3-prod",
            "web-1.2.3-5-g1a2b3c4-prod",
            "web-1.2.3-1a2b3c4-prod-20261121",
            "web (20261121) (1.2.3)-prod",
        ],
    ),
    ("web prod", &["web (20261121) (prod", "web [1.2.3]prod"]),
    ("web-build-prod", &["web-build42-prod", "web-build-43-prod", "web-build-prod-17"]),
    ("web-rc-prod", &["web-1.2.3-rc1-prod", "web-1.2.4-rc2-prod"]),
    ("web-17-prod", &["web-17-prod"]),
    ("web-1.2-prod", &["web-1.2-prod", "web-1.2-prod-20261121"]),
    ("web-beta2-prod", &["web-beta2-prod"]),
    ("web-17-jdk", &["web-20261121-17-jdk", "web-1.2.3-17-jdk"]),
    ("web-21-jdk", &["web-1.2.3-21-jdk"]),
    // The architecture is separate, wherever it is and whatever it is called.
    (
        "web|arm64",
        &[
            "web-20261121-arm64",
            "web-arm64-20261121",
            "web-arm64-17",
            "web-aarch64-17",
            "web_AArch64",
            "web-142-arm64",
            "web-20261121-0312-arm64",
            "web-2026-11-21-arm64",
            "web-1.2.3-arm64",
            "web-v1.2.3-20261121-arm64",
            "web-1a2b3c4-arm64",
            "web (20261121)-arm64",
            "web (arm64) 17",
            "web.20261121.arm64",
            "web.arm64.20261121",
            "web.1.2.3.arm64",
            "arm64/web/20261121",
        ],
    ),
    (
        "web|x86_64",
        &[
            "web-20261121-x86_64",
            "web-x86_64-20261121",
            "web-x86_64",
            "web-x86-64-17",
            "web-amd64",
            "web_20261121_amd64",
            "web-20261121-x64",
            "web-20261121.0.x86_64",
            "web-X86_64-v1.2.3",
        ],
    ),
    ("web|i386", &["web-i386-17"]),
    ("web|x86", &["web-x86-17"]),
    ("web|x86_64+arm64", &["web-amd64-arm64-17"]),
    ("web-foox86", &["web-foox86_64"]),
    ("web-arm", &["web-arm-17"]),
    ("web-prod|arm64", &["web-20261121-arm64-prod", "web-prod-arm64-17", "arm64-web-prod-1"]),
    ("web-rc|arm64", &["web-1.2.3-rc1-arm64", "web-1.2.4-rc2-arm64"]),
    ("arm64", &["arm64", "arm64-17", "arm64-20261121"]),
    ("17|arm64", &["17-arm64"]),
    ("db", &["db-1", "db-20261121"]),
    ("web-server", &["web-server-2"]),
    ("web-canary", &["web-canary-17"]),
    ("web (prod)", &["web (prod)", "web (prod) 20261121", "web (prod)-17"]),
    // Operating systems and software whose versions do not replace one another.
    ("ubuntu-22.04", &["ubuntu-22.04", "ubuntu-22.04-20261121", "ubuntu-22.04-2026-11-21"]),
    ("ubuntu-24.04", &["ubuntu-24.04", "ubuntu-24.04-20261121"]),
    ("ubuntu", &["ubuntu-20261121", "ubuntu-2026-11-21", "ubuntu-2026.11.21"]),
    (
        "ubuntu-22.04|x86_64",
        &[
            "ubuntu-22.04-amd64",
            "ubuntu-22.04-amd64-20261121",
            "ubuntu-22.04-20261121-amd64",
            "ubuntu-x86_64-22.04",
        ],
    ),
    ("ubuntu-22.04.3", &["ubuntu-22.04.3-20261121"]),
    ("debian-12", &["debian-12", "debian-12-20261121-1234"]),
    ("windows-server-2019", &["windows-server-2019", "windows-server-2019-2026.11.12"]),
    ("windows-server-2022", &["windows-server-2022-20261112"]),
    ("win-2022|x86_64", &["win-2022-x64", "win-2022-x64-20261112"]),
    ("python-3.11", &["python-3.11", "python-3.11-20261121"]),
    ("redis-7-web", &["redis-7-web-20261121"]),
    ("AlmaLinux OS 9.3|x86_64", &["AlmaLinux OS 9.3.20231123 x86_64"]),
    ("AlmaLinux OS 8.9|x86_64", &["AlmaLinux OS 8.9.20231123 x86_64"]),
    ("amazon-linux-2023.3", &["amazon-linux-2023.3.20240108.0"]),
    // A number with two parts before a date may be a release series of its own.
    ("api-14.2", &["api-14.2-20261121", "api-14.2-17"]),
    ("api-15.1", &["api-15.1-20261121"]),
    ("api-v2.0", &["api-v2.0-1a2b3c4"]),
    ("api-14.2|arm64", &["api-14.2-arm64", "api-14.2-arm64-20261121"]),
    // A short number before a word or an architecture may be one too.
    ("api-14|arm64", &["api-14-arm64"]),
    ("api-15|arm64", &["api-15-arm64"]),
    ("api-2022|arm64", &["api-2022-arm64"]),
    // Images of one customer, account or Region do not replace those of another.
    ("web-customer-42", &["web-customer-42", "web-customer-42-20261121"]),
    ("web-tenant-1a2b3c4", &["web-tenant-1a2b3c4-20261121"]),
    ("web-123456789012", &["web-123456789012", "web-123456789012-20261121"]),
    ("web-123456789012-prod", &["web-123456789012-prod"]),
    ("web-us-east-1", &["web-us-east-1", "web-us-east-1-20261121"]),
    ("web-eu-west-2|arm64", &["web-eu-west-2-arm64-20261121"]),
    // AWS IDs, UUIDs, and words with numbers.
    ("copy-of-i-0a1b2c3d", &["copy-of-i-0a1b2c3d", "copy-of-i-0a1b2c3d-20261121"]),
    ("copy-of-i-0123456789abcdef0", &["copy-of-i-0123456789abcdef0-20261121"]),
    ("i-0a1b2c3d-web", &["i-0a1b2c3d-web-20261121"]),
    (
        "disk 123e4567-e89b-12d3-a456-426614174000",
        &["disk 123e4567-e89b-12d3-a456-426614174000-20261121"],
    ),
    ("web-facade12", &["web-facade12"]),
    ("web-defaced", &["web-defaced"]),
    ("web-dev1", &["web-dev1"]),
    ("web-dev2", &["web-dev2"]),
    ("web-2a", &["web-2a"]),
    ("web-1T", &["web-1T"]),
    ("web.example.com", &["web.example.com", "web.example.com-17", "web.example.com.20261121"]),
    ("ubuntu-22.04-web", &["ubuntu-22.04-web-20261121-0312"]),
    // Names of published images and of common tools.
    ("amazon-eks-node-1.29", &["amazon-eks-node-1.29-v20240109", "amazon-eks-node-1.29-v20240202"]),
    ("amazon-eks-node-1.30", &["amazon-eks-node-1.30-v20240109"]),
    ("amazon-eks-node-1.29|arm64", &["amazon-eks-arm64-node-1.29-v20240109"]),
    (
        "amazon-eks-node-al2023-standard-1.29|x86_64",
        &["amazon-eks-node-al2023-x86_64-standard-1.29-v20240109"],
    ),
    (
        "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-server|x86_64",
        &[
            "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-20240101",
            "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-20240207.1",
        ],
    ),
    (
        "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-server|arm64",
        &["ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-arm64-server-20240101"],
    ),
    (
        "al2023-ami-kernel-6.1|x86_64",
        &[
            "al2023-ami-2023.3.20240108.0-kernel-6.1-x86_64",
            "al2023-ami-2023.3.20240117.0-kernel-6.1-x86_64",
        ],
    ),
    ("al2023-ami-kernel-6.12|x86_64", &["al2023-ami-2023.7.20250414.0-kernel-6.12-x86_64"]),
    ("amzn2-ami-hvm-gp2|x86_64", &["amzn2-ami-hvm-2.0.20261121.0-x86_64-gp2"]),
    (
        "amzn2-ami-kernel-5.10-hvm-gp2|x86_64",
        &["amzn2-ami-kernel-5.10-hvm-2.0.20240109.0-x86_64-gp2"],
    ),
    ("debian-12|x86_64", &["debian-12-amd64-20240102-1614", "debian-12-amd64-20240211-1654"]),
    (
        "Windows_Server-2022-English-Full-Base",
        &["Windows_Server-2022-English-Full-Base-2024.01.10"],
    ),
    ("Rocky-9-EC2-Base-9.3|x86_64", &["Rocky-9-EC2-Base-9.3-20231113.0.x86_64"]),
    ("CentOS Stream 9|x86_64", &["CentOS Stream 9 x86_64 20240109"]),
    ("bottlerocket-aws-k8s-1.29|x86_64", &["bottlerocket-aws-k8s-1.29-x86_64-v1.19.0-d58e0d4a"]),
    ("packer", &["packer-1700000000", "packer 1700000001"]),
    ("preview-pr", &["preview-pr-1200-1", "preview-pr-1201-1"]),
    ("manual backup before upgrade", &["manual backup before upgrade 1"]),
    // Only a number.
    ("2026", &["2026", "2026-11-21"]),
    ("20261121", &["20261121", "20261121-1"]),
    ("-1", &["-1"]),
    ("---", &["---"]),
    ("", &[""]),
];

fn family_of(name: &str) -> String {
    let parts = NameParts::of(name);
    match parts.architecture() {
        Some(architecture) => format!("{}|{architecture}", parts.prefix()),
        None => parts.prefix().into_owned(),
    }
}

#[test]
fn builds_are_one_family_and_other_images_are_not() {
    let mut wrong = Vec::new();
    for (family, names) in FAMILIES {
        for name in *names {
            let found = family_of(name);
            if found != *family {
                wrong.push(format!("{name}: {found}, and not {family}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let names: usize = FAMILIES.iter().map(|(_, names)| names.len()).sum();
    assert!(names >= 150);
    let mut families: Vec<_> = FAMILIES.iter().map(|(family, _)| family).collect();
    families.sort_unstable();
    families.dedup();
    assert_eq!(families.len(), FAMILIES.len(), "a family is listed twice");
}

#[test]
fn the_family_name_of_a_family_name_is_itself() {
    for (family, _) in FAMILIES {
        let prefix = family.split('|').next().unwrap();
        // A part that was kept because of what followed it is now at the end.
        let again = name_prefix(prefix);
        assert!(prefix.starts_with(&*again), "{prefix}: {again}");
    }
}

#[test]
fn architectures_are_never_lost_or_merged() {
    for (name, _) in words::ARCHITECTURES {
        let architecture = architecture(name).unwrap();
        let upper = name.to_uppercase();
        for name in [name, upper.as_str()] {
            for form in ["web-ARCH", "ARCH-web", "web-17-ARCH-20261121", "web_ARCH_prod", "ARCH"] {
                let family = family_of(&form.replace("ARCH", name));
                let (prefix, found) = family.split_once('|').unwrap_or((&family, name));
                assert!(form != "ARCH" || prefix == name, "{form} {name}: {family}");
                assert!(form == "ARCH" || found == architecture, "{form} {name}: {family}");
            }
        }
    }
}

#[test]
fn every_name_has_a_family_name_and_complete_pieces() {
    const FRAGMENTS: [&str; 24] = [
        "web", "-", "_", ".", "(", ")", " ", "/", "2026", "11", "21", "1.2.3", "v", "arm64",
        "x86_64", "x86", "64", "é", "1a2b3c4", "rc1", "T03:12Z", "ubuntu", "build", "",
    ];
    let mut seed: u64 = 1;
    for _ in 0..20_000 {
        let mut name = String::new();
        for _ in 0..9 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = usize::try_from(seed >> 33).unwrap() % FRAGMENTS.len();
            name.push_str(FRAGMENTS[at]);
        }
        let parts = NameParts::of(&name);
        assert_eq!(parts.prefix().is_empty(), name.is_empty(), "{name}");
        let pieces: String = parts
            .pieces()
            .iter()
            .map(|piece| match piece {
                Piece::Fixed(text) | Piece::Varies(text) => *text,
            })
            .collect();
        assert_eq!(pieces, name);
    }
}

#[test]
fn pieces_add_up_to_the_name() {
    let varying = |name: &str| {
        let pieces = NameParts::of(name).pieces();
        let text = |piece: &Piece<'_>| match piece {
            Piece::Fixed(text) | Piece::Varies(text) => (*text).to_owned(),
        };
        let all: String = pieces.iter().map(text).collect();
        assert_eq!(all, name);
        let is_fixed = |piece: &&Piece<'_>| matches!(piece, Piece::Fixed(_));
        let words: Vec<_> = pieces.iter().filter(is_fixed).map(text).collect();
        words.join("*")
    };
    for name in FAMILIES.iter().flat_map(|(_, names)| *names) {
        varying(name);
    }
    assert_eq!(varying("web-v1.2.3-20261121-amd64"), "web-*-amd64");
    assert_eq!(varying("web-1.2.3-rc1-arm64-17"), "web-*-rc*-arm64-");
    assert_eq!(varying("web (20261121)"), "web (*)");
}

#[test]
fn ids_and_addresses_are_never_merged() {
    for (one, other) in [
        ("backup i-12345678", "backup i-87654321"),
        ("copy-of-vol-12345678-20261121", "copy-of-vol-87654321-20261121"),
        ("from snap-0123456789abcdef0", "from snap-1123456789abcdef0"),
        ("ip-10-0-1-12-20261121", "ip-10-0-2-99-20261121"),
        ("ip-10-0-1-12", "ip-10-0-1-13"),
        ("host-10.1.2.3-20261121", "host-10.9.9.9-20261121"),
        ("web-192.168.1.4", "web-192.168.1.5"),
        ("cust-42", "cust-43"),
        ("vm-12", "vm-13"),
        ("kiosk-0042", "kiosk-0043"),
    ] {
        assert_ne!(name_prefix(one), name_prefix(other));
    }
    assert_eq!(name_prefix("ip-10-0-1-12-20261121"), name_prefix("ip-10-0-1-12-20261122"));
    assert_eq!(name_prefix("web-1.2.3.4"), name_prefix("web-1.2.3.5"));
}
