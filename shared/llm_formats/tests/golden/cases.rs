//! The cases, each said once, in no format.

use domain::price::Usage;
use llm_formats::conversation::{
    Answer, CacheLifetime, Choice, Content, Conversation, Detail, Effort, Event, OutputFormat, Part,
    ReasoningWish, Role, Sampling, Source, StopReason, TokenLogprob, Tool, ToolChoice, Turn, Verbosity,
};
use serde_json::json;

pub struct Case<T> {
    pub name: &'static str,
    pub value: T,
}

/// One transparent pixel.
const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";
const PDF: &str = "JVBERi0xLjQKJSVFT0YK";
const WAV: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=";

pub fn requests() -> Vec<Case<Conversation>> {
    let case = |name, value| Case { name, value };
    vec![
        case("hello", asked([user("Hello!")])),
        case(
            "streamed",
            Conversation { stream: true, output_tokens_max: Some(300), ..asked([user("Hello!")]) },
        ),
        case("system", asked([turn(Role::System, "Be brief."), user("Hello!")])),
        case("developer", asked([turn(Role::Developer, "Be brief."), user("Hello!")])),
        case("multi_turn", asked([user("2 + 2?"), assistant("4"), user("And + 3? \"Say\" it\nin Köln 😀.")])),
        case(
            "image_inline",
            asked([parts(
                Role::User,
                [Part::text("What is it?"), image(inline("image/png", PNG), Detail::High)],
            )]),
        ),
        case(
            "image_url",
            asked([parts(
                Role::User,
                [
                    image(Source::Url("https://example.com/cat.png".into()), Detail::Auto),
                    Part::text("What is it?"),
                ],
            )]),
        ),
        case(
            "document_inline",
            asked([parts(Role::User, [file(inline("application/pdf", PDF)), Part::text("Sum it up.")])]),
        ),
        case(
            "document_url",
            asked([parts(
                Role::User,
                [
                    Content::File { source: Source::Url("https://example.com/a.pdf".into()), name: None }
                        .into(),
                    Part::text("Sum it up."),
                ],
            )]),
        ),
        case(
            "audio",
            asked([parts(
                Role::User,
                [
                    Content::Audio { media_type: "audio/wav".into(), data: WAV.into() }.into(),
                    Part::text("What is said?"),
                ],
            )]),
        ),
        case(
            "tools",
            Conversation {
                tools: vec![weather(), Tool { name: "now".into(), ..Tool::default() }],
                tool_choice: Some(ToolChoice::Auto),
                ..asked([user("Weather in Köln?")])
            },
        ),
        case(
            "tool_strict",
            Conversation {
                tools: vec![Tool { strict: Some(true), ..weather() }],
                ..asked([user("Weather in Köln?")])
            },
        ),
        case(
            "tool_none",
            Conversation {
                tools: vec![weather()],
                tool_choice: Some(ToolChoice::None),
                ..asked([user("Weather in Köln?")])
            },
        ),
        case(
            "tool_any",
            Conversation {
                tools: vec![weather()],
                tool_choice: Some(ToolChoice::Any),
                ..asked([user("Weather in Köln?")])
            },
        ),
        case(
            "tool_named",
            Conversation {
                tools: vec![weather()],
                tool_choice: Some(ToolChoice::Named("weather".into())),
                ..asked([user("Weather in Köln?")])
            },
        ),
        case(
            "tool_one_at_a_time",
            Conversation {
                tools: vec![weather()],
                tool_choice: Some(ToolChoice::Auto),
                parallel_tool_calls: Some(false),
                ..asked([user("Weather in Köln?")])
            },
        ),
        case(
            "tool_results",
            Conversation {
                tools: vec![weather()],
                ..asked([
                    user("Weather in Köln and Rome?"),
                    parts(
                        Role::Assistant,
                        [
                            Part::text("Let me look."),
                            call("call_1", r#"{"city":"Köln"}"#),
                            call("call_2", r#"{"city":"Rome"}"#),
                        ],
                    ),
                    parts(Role::User, [result("call_1", "12 °C"), result("call_2", "24 °C")]),
                ])
            },
        ),
        case(
            "tool_error",
            Conversation {
                tools: vec![weather()],
                ..asked([
                    user("Weather in Köln?"),
                    parts(Role::Assistant, [call("call_1", r#"{"city":"Köln"}"#)]),
                    parts(
                        Role::User,
                        [Content::ToolResult {
                            call_id: "call_1".into(),
                            parts: vec![Part::text("no such city")],
                            is_error: true,
                        }
                        .into()],
                    ),
                ])
            },
        ),
        case(
            "tool_image",
            Conversation {
                tools: vec![weather()],
                ..asked([
                    user("Weather in Köln?"),
                    parts(Role::Assistant, [call("call_1", r#"{"city":"Köln"}"#)]),
                    parts(
                        Role::User,
                        [Content::ToolResult {
                            call_id: "call_1".into(),
                            parts: vec![
                                Part::text("the radar:"),
                                image(inline("image/png", PNG), Detail::Auto),
                            ],
                            is_error: false,
                        }
                        .into()],
                    ),
                ])
            },
        ),
        case(
            "json_object",
            Conversation { output_format: OutputFormat::JsonObject, ..asked([user("A city, as JSON.")]) },
        ),
        case(
            "json_schema",
            Conversation {
                output_format: OutputFormat::JsonSchema {
                    name: Some("city".into()),
                    description: None,
                    schema: city_schema(),
                    strict: Some(true),
                },
                ..asked([user("A city.")])
            },
        ),
        case(
            "sampling",
            Conversation {
                sampling: Sampling {
                    temperature: Some(number("0.5")),
                    top_p: Some(number("0.9")),
                    stop: vec!["END".into(), "\n\n".into()],
                    ..Sampling::default()
                },
                ..asked([user("Hello!")])
            },
        ),
        case(
            "top_k",
            Conversation {
                sampling: Sampling { top_k: Some(number("40")), ..Sampling::default() },
                ..asked([user("Hello!")])
            },
        ),
        case(
            "seed",
            Conversation {
                sampling: Sampling { seed: Some(number("7")), ..Sampling::default() },
                ..asked([user("Hello!")])
            },
        ),
        case(
            "penalties",
            Conversation {
                sampling: Sampling {
                    presence_penalty: Some(number("0.5")),
                    frequency_penalty: Some(number("-0.5")),
                    ..Sampling::default()
                },
                ..asked([user("Hello!")])
            },
        ),
        case(
            "logprobs",
            Conversation {
                sampling: Sampling { logprobs: Some(2), ..Sampling::default() },
                ..asked([user("Hello!")])
            },
        ),
        case("two_choices", Conversation { choices: 2, ..asked([user("Hello!")]) }),
        case(
            "effort_high",
            Conversation {
                reasoning: ReasoningWish { effort: Some(Effort::High), ..ReasoningWish::default() },
                ..asked([user("Prove it.")])
            },
        ),
        case(
            "thinking_budget",
            Conversation {
                output_tokens_max: Some(8_000),
                reasoning: ReasoningWish {
                    budget_tokens: Some(2_000),
                    shown: Some(true),
                    ..ReasoningWish::default()
                },
                ..asked([user("Prove it.")])
            },
        ),
        case(
            "thinking_off",
            Conversation {
                reasoning: ReasoningWish { budget_tokens: Some(0), ..ReasoningWish::default() },
                ..asked([user("Prove it.")])
            },
        ),
        case(
            "thoughts_kept",
            Conversation {
                tools: vec![weather()],
                ..asked([
                    user("Weather in Köln?"),
                    parts(
                        Role::Assistant,
                        [
                            Content::Reasoning {
                                text: "I should look.".into(),
                                signature: Some("c2VhbA==".into()),
                            }
                            .into(),
                            call("call_1", r#"{"city":"Köln"}"#),
                        ],
                    ),
                    parts(Role::User, [result("call_1", "12 °C")]),
                ])
            },
        ),
        case(
            "thoughts_sealed",
            asked([
                user("Hello!"),
                parts(
                    Role::Assistant,
                    [Content::SealedReasoning("b3BhcXVl".into()).into(), Part::text("Hi.")],
                ),
                user("Go on."),
            ]),
        ),
        case("cache_marks", marked(CacheLifetime::FiveMinutes)),
        case("cache_hour", marked(CacheLifetime::OneHour)),
        case("end_user", Conversation { end_user: Some("user-7".into()), ..asked([user("Hello!")]) }),
        case("verbosity", Conversation { verbosity: Some(Verbosity::Low), ..asked([user("Hello!")]) }),
        case(
            "refused_before",
            asked([
                user("Do harm."),
                parts(Role::Assistant, [Content::Refusal("I will not.".into()).into()]),
                user("Why?"),
            ]),
        ),
    ]
}

pub fn answers() -> Vec<Case<Answer>> {
    let case = |name, value| Case { name, value };
    let plain = |stop| answer(vec![Part::text("Hello, \"Köln\" 😀!")], stop);
    vec![
        case("text", plain(StopReason::EndOfTurn)),
        case("length", plain(StopReason::Length)),
        case("stop_sequence", plain(StopReason::StopSequence(Some("END".into())))),
        case("content_filter", plain(StopReason::ContentFilter)),
        case(
            "refusal",
            answer(vec![Content::Refusal("I will not do that.".into()).into()], StopReason::Refusal),
        ),
        case(
            "tool_calls",
            answer(
                vec![
                    Part::text("Let me look."),
                    call("call_1", r#"{"city":"Köln"}"#),
                    call("call_2", r#"{"city":"Rome"}"#),
                ],
                StopReason::ToolCalls,
            ),
        ),
        case(
            "tool_without_arguments",
            answer(
                vec![
                    Content::ToolCall {
                        id: "call_1".into(),
                        name: "now".into(),
                        arguments: "{}".into(),
                        signature: None,
                    }
                    .into(),
                ],
                StopReason::ToolCalls,
            ),
        ),
        case(
            "reasoning",
            Answer {
                usage: Some(Usage { input: 9, output: 5, reasoning: 20, ..Usage::default() }),
                ..answer(
                    vec![
                        Content::Reasoning {
                            text: "Let me think.".into(),
                            signature: Some("c2VhbA==".into()),
                        }
                        .into(),
                        Part::text("It is so."),
                    ],
                    StopReason::EndOfTurn,
                )
            },
        ),
        case(
            "reasoning_sealed",
            answer(
                vec![Content::SealedReasoning("b3BhcXVl".into()).into(), Part::text("It is so.")],
                StopReason::EndOfTurn,
            ),
        ),
        case(
            "cached",
            Answer {
                usage: Some(Usage {
                    input: 10,
                    cached_input: 2_000,
                    cache_write: 300,
                    output: 5,
                    ..Usage::default()
                }),
                ..plain(StopReason::EndOfTurn)
            },
        ),
        case(
            "two_choices",
            Answer {
                choices: vec![
                    choice(vec![Part::text("Heads.")], StopReason::EndOfTurn),
                    choice(vec![Part::text("Tails.")], StopReason::EndOfTurn),
                ],
                usage: Some(USAGE),
            },
        ),
        case(
            "logprobs",
            Answer {
                choices: vec![Choice {
                    logprobs: vec![logprob(
                        "Hi",
                        "-0.25",
                        vec![logprob("Hi", "-0.25", vec![]), logprob("Hey", "-1.5", vec![])],
                    )],
                    ..choice(vec![Part::text("Hi")], StopReason::EndOfTurn)
                }],
                usage: Some(USAGE),
            },
        ),
    ]
}

/// The answer as a target would stream it: texts word by word, arguments in two fragments.
pub fn events(answer: &Answer) -> Vec<Event> {
    let mut events = vec![Event::Started];
    for (choice, said) in (0..).zip(&answer.choices) {
        let mut call = 0;
        for part in &said.parts {
            match &part.content {
                Content::Text(text) => events.extend(words(text).map(|text| Event::Text { choice, text })),
                Content::Refusal(text) => {
                    events.extend(words(text).map(|text| Event::Refusal { choice, text }))
                }
                Content::Reasoning { text, signature } => {
                    events.extend(words(text).map(|text| Event::Reasoning { choice, text }));
                    let seal =
                        signature.clone().map(|signature| Event::ReasoningSignature { choice, signature });
                    events.extend(seal);
                }
                Content::SealedReasoning(data) => {
                    events.push(Event::SealedReasoning { choice, data: data.clone() })
                }
                Content::ToolCall { id, name, arguments, signature } => {
                    let (id, name, signature) = (id.clone(), name.clone(), signature.clone());
                    events.push(Event::ToolStarted { choice, call, id, name, signature });
                    let (first, second) = arguments.split_at(1);
                    for fragment in [first, second] {
                        events.push(Event::ToolArguments { choice, call, fragment: fragment.to_owned() });
                    }
                    call += 1;
                }
                other => panic!("not part of an answer: {other:?}"),
            }
        }
        if !said.logprobs.is_empty() {
            events.push(Event::Logprobs { choice, tokens: said.logprobs.clone() });
        }
        events.extend(said.stop.clone().map(|reason| Event::Finished { choice, reason }));
    }
    events.extend(answer.usage.map(Event::Usage));
    events.push(Event::Ended);
    events
}

const USAGE: Usage = Usage {
    input: 9,
    cached_input: 0,
    cache_write: 0,
    output: 5,
    reasoning: 0,
    audio_input: 0,
    audio_output: 0,
};

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split_inclusive(' ').map(str::to_owned)
}

fn asked(turns: impl IntoIterator<Item = Turn>) -> Conversation {
    Conversation {
        model: "the-clients-model".into(),
        turns: turns.into_iter().collect(),
        // What Anthropic's clients must always say, all say.
        output_tokens_max: Some(200),
        choices: 1,
        ..Conversation::default()
    }
}

/// A tool, a prompt and a question with cache marks.
fn marked(lifetime: CacheLifetime) -> Conversation {
    let marked = |text| Part { cache: Some(lifetime), ..Part::text(text) };
    Conversation {
        tools: vec![Tool { cache: Some(lifetime), ..weather() }],
        ..asked([parts(Role::System, [marked("A long text.")]), parts(Role::User, [marked("Hello!")])])
    }
}

fn turn(role: Role, text: &str) -> Turn {
    parts(role, [Part::text(text)])
}

fn parts(role: Role, parts: impl IntoIterator<Item = Part>) -> Turn {
    Turn { role, name: None, parts: parts.into_iter().collect() }
}

fn user(text: &str) -> Turn {
    turn(Role::User, text)
}

fn assistant(text: &str) -> Turn {
    turn(Role::Assistant, text)
}

fn inline(media_type: &str, data: &str) -> Source {
    Source::Inline { media_type: media_type.into(), data: data.into() }
}

fn image(source: Source, detail: Detail) -> Part {
    Content::Image { source, detail }.into()
}

fn file(source: Source) -> Part {
    Content::File { source, name: Some("a.pdf".into()) }.into()
}

fn call(id: &str, arguments: &str) -> Part {
    Content::ToolCall { id: id.into(), name: "weather".into(), arguments: arguments.into(), signature: None }
        .into()
}

fn result(call_id: &str, text: &str) -> Part {
    Content::ToolResult { call_id: call_id.into(), parts: vec![Part::text(text)], is_error: false }.into()
}

fn weather() -> Tool {
    Tool {
        name: "weather".into(),
        description: Some("The weather of a city.".into()),
        parameters: Some(
            json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": false}),
        ),
        strict: None,
        cache: None,
    }
}

fn city_schema() -> serde_json::Value {
    json!({"type": "object", "properties": {"name": {"type": "string"}, "people": {"type": "integer"}}, "required": ["name", "people"], "additionalProperties": false})
}

fn number(text: &str) -> serde_json::Number {
    serde_json::from_str(text).unwrap()
}

fn logprob(token: &str, logprob: &str, top: Vec<TokenLogprob>) -> TokenLogprob {
    TokenLogprob {
        token: token.into(),
        logprob: number(logprob),
        bytes: Some(token.as_bytes().to_vec()),
        top,
    }
}

fn choice(parts: Vec<Part>, stop: StopReason) -> Choice {
    Choice { parts, stop: Some(stop), logprobs: Vec::new() }
}

fn answer(parts: Vec<Part>, stop: StopReason) -> Answer {
    Answer { choices: vec![choice(parts, stop)], usage: Some(USAGE) }
}
