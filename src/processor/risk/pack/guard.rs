//! The agent's own guard rails, and the servers it lets in.

use super::Level::{High, Info, Low, Medium};
use super::Rule;
use super::Target::{Command, DecisionSource, Event, Mode, Write};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "AG-GUARD-001",
        level: High,
        reason: "Starts an AI agent that asks nobody before it acts.",
        categories: &["guardrail-bypass"],
        attack: &["T1562"],
        patterns: &[
            (
                Command,
                r"--(?:dangerously-skip-permissions|dangerously-bypass-approvals-and-sandbox|skip-permissions-unsafe|allow-all-tools|yolo|full-auto)\b",
            ),
            (
                Command,
                r"(?i)--(?:permission-mode|approval-mode|ask-for-approval|sandbox)[\s=]+(?:bypassPermissions|yolo|never|danger-full-access)",
            ),
            (Command, r"{start}droid\s{args}--auto[\s=]+high"),
        ],
        hits: &[
            (Command, "claude --dangerously-skip-permissions -p 'fix it'"),
            (Command, "codex exec --sandbox danger-full-access"),
            (Command, "gemini --approval-mode=yolo"),
            (Command, "droid exec --auto high 'deploy'"),
        ],
        misses: &[
            (Command, "claude --permission-mode plan"),
            (Command, "droid exec --auto low x"),
            (Command, "grep -r yolo ."),
        ],
    },
    Rule {
        id: "AG-GUARD-002",
        level: High,
        reason: "The agent was switched to a mode in which it asks nobody before it acts.",
        categories: &["guardrail-bypass"],
        attack: &["T1562"],
        patterns: &[(
            Mode,
            r"(?i)^(?:bypass_?permissions|yolo|full-?auto|danger-full-access|dangerouslySkipPermissions)$",
        )],
        hits: &[(Mode, "bypassPermissions"), (Mode, "YOLO"), (Mode, "danger-full-access")],
        misses: &[(Mode, "default"), (Mode, "plan"), (Mode, "acceptEdits")],
    },
    Rule {
        id: "AG-GUARD-003",
        level: High,
        reason: "Changes the settings, hooks or tool servers of an AI agent, and so what it may do.",
        categories: &["guardrail-bypass", "persistence"],
        attack: &["T1562.001", "T1546"],
        patterns: &[
            (
                Write,
                r"(?:^|/)(?:\.claude/(?:settings(?:\.local)?\.json|hooks/)|\.codex/config\.toml|\.factory/(?:settings|mcp|hooks)|\.cursor/(?:mcp\.json|hooks)|\.gemini/settings\.json|\.vscode/mcp\.json|\.mcp\.json|managed-settings\.json)",
            ),
            (
                Command,
                r"(?:>|{start}(?:tee|sed\s+-i\S*|cp|mv|rm)\s){args}(?:\.claude/settings|\.claude/hooks|\.codex/config\.toml|\.factory/(?:settings|mcp)|\.cursor/mcp\.json|\.gemini/settings\.json|managed-settings\.json)",
            ),
        ],
        hits: &[
            (Write, "/home/dev/.claude/settings.json"),
            (Write, ".mcp.json"),
            (Command, "echo '{}' > ~/.claude/settings.json"),
        ],
        misses: &[
            (Write, "src/settings.json"),
            (Command, "cat ~/.claude/settings.json"),
            (Write, "/w/.vscode/launch.json"),
        ],
    },
    Rule {
        id: "AG-GUARD-004",
        level: Medium,
        reason: "Changes the standing instructions that an AI agent follows in this project.",
        categories: &["guardrail-bypass"],
        attack: &["T1565.001"],
        patterns: &[(
            Write,
            r"(?:^|/)(?:AGENTS|CLAUDE|GEMINI)\.md$|(?:^|/)\.cursor/rules|(?:^|/)\.github/copilot-instructions\.md$|(?:^|/)\.cursorrules$",
        )],
        hits: &[(Write, "/w/app/AGENTS.md"), (Write, "CLAUDE.md")],
        misses: &[(Write, "README.md"), (Write, "docs/agents.md")],
    },
    Rule {
        id: "AG-GUARD-005",
        level: High,
        reason: "Switches off or redirects the telemetry that records what is done here.",
        categories: &["guardrail-bypass", "evasion"],
        attack: &["T1562.008"],
        patterns: &[
            (
                Command,
                r"{start}(?:OTEL_SDK_DISABLED=true|OTEL_(?:LOGS|TRACES|METRICS)_EXPORTER=none|CLAUDE_CODE_ENABLE_TELEMETRY=0|DISABLE_TELEMETRY=1)",
            ),
            (Command, r"{start}OTEL_(?:EXPORTER_OTLP_(?:LOGS_|TRACES_|METRICS_)?|TELEMETRY_)ENDPOINT="),
            (Command, r"{start}unset\s{args}(?:OTEL_|CLAUDE_CODE_ENABLE_TELEMETRY)"),
        ],
        hits: &[
            (Command, "export OTEL_EXPORTER_OTLP_ENDPOINT=http://203.0.113.9:4318"),
            (Command, "export CLAUDE_CODE_ENABLE_TELEMETRY=0"),
            (Command, "unset OTEL_EXPORTER_OTLP_ENDPOINT"),
            (Command, "OTEL_SDK_DISABLED=true npm start"),
        ],
        misses: &[(Command, "echo $OTEL_EXPORTER_OTLP_ENDPOINT"), (Command, "export CLAUDE_CODE_ENABLE_TELEMETRY=1")],
    },
    Rule {
        id: "AG-GUARD-006",
        level: Low,
        reason: "Somebody allowed this tool for good: it will not be asked about again.",
        categories: &["guardrail-bypass"],
        attack: &[],
        patterns: &[(DecisionSource, r"(?i)^(?:user_permanent|always_allow|proceed_always\w*)$")],
        hits: &[(DecisionSource, "user_permanent")],
        misses: &[(DecisionSource, "user_temporary"), (DecisionSource, "config")],
    },
    Rule {
        id: "AG-MCP-001",
        level: Medium,
        reason: "Adds a tool server to an AI agent; it sees what the agent sees.",
        categories: &["mcp", "supply-chain"],
        attack: &["T1195.002"],
        patterns: &[(Command, r"{start}(?:claude|codex|gemini|droid|copilot)\s{args}mcp\s+add")],
        hits: &[(Command, "claude mcp add files -- npx -y @example/files")],
        misses: &[(Command, "claude mcp list"), (Command, "npx -y prettier .")],
    },
    Rule {
        id: "AG-MCP-002",
        level: Info,
        reason: "A tool server connected to the agent.",
        categories: &["mcp"],
        attack: &[],
        patterns: &[(Event, "mcp_server_connection")],
        hits: &[(Event, "mcp_server_connection")],
        misses: &[(Event, "tool_result"), (Event, "user_prompt")],
    },
];
