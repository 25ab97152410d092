"""The schemas of what the API tells of streams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from narthex.http.schemas import COUNT, FLAG, NUMBER, TEXT, Json, complete, listed, nullable, one_of, record, ref, said
from narthex.pipeline.merges import MAX_NAME
from narthex.types.merging import MAX_MERGED, MERGE_MODES

STATUSES: Final = ("waiting", "running", "paused", "done", "cancelled", "failed")

_NAME: Final[Json] = {**TEXT, "minLength": 1, "maxLength": MAX_NAME, "pattern": "^[ -~]+$"}

_MERGED: Final[Json] = {"required": ["model"], "properties": {"model": _NAME, "n": {"enum": [1, None]}}}
"""What is asked of a request beside others."""

STREAMS: Final[Mapping[str, Json]] = {
    "MergeRequest": record(
        {
            "mode": said(one_of(*MERGE_MODES), "By default `interleave`."),
            "requests": listed(
                {"allOf": [ref("ChatCompletionRequest"), _MERGED]},
                minItems=2,
                maxItems=MAX_MERGED,
            ),
            "judge": said(nullable(_NAME), "The model that chooses, with `best_of`."),
            "criteria": said(
                nullable({**TEXT, "minLength": 1, "maxLength": 4_096}), "What it is to look for, in plain words."
            ),
        },
        ("requests",),
        additionalProperties=False,
    ),
    "MergedEvent": complete(
        {
            "source": said(nullable(TEXT), "The model, as asked for; null of the last event."),
            "index": said(nullable(COUNT), "The place of its request."),
            "seq": said(COUNT, "The number of the event, from 1."),
            "event": said({"type": "object"}, "A chunk of its answer, or the error that it ended in."),
        }
    ),
    "Streams": complete({"object": {"const": "list"}, "data": listed(ref("Stream")), "has_more": FLAG}),
    "Stream": complete(
        {
            "id": TEXT,
            "object": {"const": "stream"},
            "node": said(nullable(TEXT), "The process that writes it; null where none share what they keep."),
            "status": one_of(*STATUSES),
            "kept": said(FLAG, "Whether its events can be read again."),
            "model": said(TEXT, "As asked for."),
            "target": said(nullable(TEXT), "`provider/model` that answers."),
            "dialect": TEXT,
            "created_at": said(COUNT, "Unix time in seconds."),
            "first_seq": said(COUNT, "Number of the oldest event that is held; 0 where none are kept."),
            "last_seq": said(COUNT, "Number of the newest event."),
            "readers": COUNT,
            "on_disconnect": one_of("cancel", "detach"),
            "key_id": said(TEXT, "The key that asked for it, or the user."),
            "replay_of": said(nullable(TEXT), "ID of the recording that is played here."),
            "attempts": said(TEXT, "What was tried; empty if all went well at once."),
            "progress": ref("StreamProgress"),
            "usage": nullable(ref("StreamUsage")),
            "error": nullable(complete({"code": TEXT, "message": TEXT})),
        }
    ),
    "StreamProgress": complete(
        {
            "bytes": COUNT,
            "events": COUNT,
            "output_tokens": said(COUNT, "As the provider told; until then the events with content."),
            "limit_tokens": said(nullable(COUNT), "The most that the request allows."),
            "percent": said(nullable(NUMBER), "Of that limit."),
            "elapsed_ms": COUNT,
            "first_token_ms": nullable(COUNT),
            "bytes_per_s": said(NUMBER, "Over the last five seconds in which there were events."),
            "events_per_s": NUMBER,
            "gaps_ms": nullable(
                complete(
                    {
                        "mean": NUMBER,
                        "p50": COUNT,
                        "p95": COUNT,
                        "longest": COUNT,
                        "stalls": said(COUNT, "Gaps of a second and more."),
                    }
                )
            ),
        }
    ),
    "StreamUsage": complete(
        {
            "input_tokens": COUNT,
            "output_tokens": COUNT,
            "cache_read_tokens": COUNT,
            "cache_write_tokens": COUNT,
            "cache_write_1h_tokens": said(COUNT, "Of those written: kept for an hour."),
            "reasoning_tokens": COUNT,
            "estimated": FLAG,
            "images": COUNT,
            "audio_ms": COUNT,
        }
    ),
    "StreamTimeline": complete(
        {
            "id": TEXT,
            "object": {"const": "stream.timeline"},
            "status": one_of(*STATUSES),
            "first_seq": said(COUNT, "Number of the first event that is told of; those before are no longer held."),
            "last_seq": COUNT,
            "duration_ms": said(COUNT, "Until its last event, or now. All times count from when the stream began."),
            "first_event_ms": nullable(COUNT),
            "silent_ms": said(nullable(COUNT), "How long nothing has come; null once it has ended."),
            "bytes": COUNT,
            "events": COUNT,
            "tokens": said(COUNT, "Events with content, which nearly are the tokens."),
            "bucket_ms": said(COUNT, "Length of each span of time."),
            "buckets": listed(complete({"t_ms": COUNT, "events": COUNT, "bytes": COUNT, "tokens": COUNT})),
            "gaps": nullable(
                complete(
                    {
                        "mean": NUMBER,
                        "p50": COUNT,
                        "p95": COUNT,
                        "p99": COUNT,
                        "longest": said(
                            listed(complete({"after_seq": COUNT, "t_ms": COUNT, "gap_ms": COUNT})),
                            "The longest first, at most 20.",
                        ),
                    }
                )
            ),
            "stalls": said(complete({"count": COUNT, "total_ms": COUNT}), "Gaps of a second and more."),
            "attempts": listed(
                complete(
                    {
                        "target": TEXT,
                        "way": said(TEXT, "`first`, `retry`, `fallback`, `hedge`, `prefill` and so on."),
                        "began_ms": nullable(COUNT),
                        "ended_ms": nullable(COUNT),
                        "failure": nullable(TEXT),
                    }
                )
            ),
            "seams": said(
                listed(complete({"seq": COUNT, "t_ms": nullable(COUNT), "way": TEXT, "target": TEXT})),
                "Where what another attempt added begins, in an answer that had broken.",
            ),
        }
    ),
    "Recordings": complete({"object": {"const": "list"}, "data": listed(ref("Recording"))}),
    "Recording": complete(
        {
            "id": said(TEXT, "Of the stream."),
            "object": {"const": "recording"},
            "status": said(one_of("recording", "whole", "truncated"), "`truncated`: it ended before the stream did."),
            "reason": said(nullable(one_of("too_large", "no_room", "disk", "stopped")), "Why; null if it was cut."),
            "model": TEXT,
            "dialect": TEXT,
            "streamed": said(FLAG, "Whether the answer was; if not, its one event is the body that was sent."),
            "created_at": COUNT,
            "recorded_at": COUNT,
            "first_seq": COUNT,
            "last_seq": COUNT,
            "duration_ms": COUNT,
            "bytes": COUNT,
        }
    ),
    "RecordingDeleted": complete({"id": TEXT, "object": {"const": "recording"}, "deleted": {"const": True}}),
    "StreamDeleted": complete({"id": TEXT, "object": {"const": "stream"}, "deleted": {"const": True}}),
}
