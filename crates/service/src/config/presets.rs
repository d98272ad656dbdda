//! Presets by name. Each sets the warm cap to its strategy's maximum.

/// Name, one line about it, and its settings as TOML.
pub const PRESETS: [(&str, &str, &str); 6] = [
    (
        "development",
        "A laptop: verbose logs, a simple rule, a model that learns and forgets quickly.",
        r#"
            telemetry.log_level = "debug"
            tracking.half_life = "1m"
            [warming]
            mode = "on"
            strategy = "topn"
            max_pairs_per_warm = 5
            topn = { top_n = 5, min_score = 0.3 }
        "#,
    ),
    (
        "shadow",
        "Roll-out, week 1: learn and account, fetch nothing.",
        r#"
            [warming]
            mode = "shadow"
            strategy = "topn"
            max_pairs_per_warm = 3
            topn = { top_n = 3, min_score = 0.5 }
        "#,
    ),
    (
        "conservative",
        "Roll-out, weeks 2 and 3: fetch the three surest partners.",
        r#"
            [warming]
            mode = "on"
            strategy = "topn"
            max_pairs_per_warm = 3
            topn = { top_n = 3, min_score = 0.5 }
        "#,
    ),
    (
        "balanced",
        "Roll-out, week 4 on: adaptive, 3 to 8 pairs.",
        r#"
            [warming]
            mode = "on"
            strategy = "adaptive"
            max_pairs_per_warm = 8
            adaptive = { target_hit_rate = 0.97, min_pairs = 3, max_pairs = 8, min_score = 0.3 }
        "#,
    ),
    (
        "aggressive",
        "Wide and early, partners' partners included; for an L2 with room to spare.",
        r#"
            [warming]
            mode = "on"
            strategy = "aggressive"
            max_pairs_per_warm = 12
            aggressive = { min_score = 0.2, max_pairs = 12 }
        "#,
    ),
    (
        "production",
        "Adaptive, 3 to 10 pairs, logs as JSON.",
        r#"
            telemetry.log_format = "json"
            [warming]
            mode = "on"
            strategy = "adaptive"
            max_pairs_per_warm = 10
            adaptive = { target_hit_rate = 0.97, min_pairs = 3, max_pairs = 10, min_score = 0.3 }
        "#,
    ),
];
