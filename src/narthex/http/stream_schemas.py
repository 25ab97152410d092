"""The schemas of what the API tells of streams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from narthex.http.schemas import COUNT, FLAG, NUMBER, TEXT, Json, complete, listed, nullable, one_of, record, ref, said
from narthex.types.merging import MAX_MERGED, MERGE_MODES

STATUSES: Final = ("waiting", "running", "paused", "done", "cancelled", "failed")

STREAMS: Final[Mapping[str, Json]] = {
    "MergeRequest": record(
        {
            "mode": said(one_of(*MERGE_MODES), "By default `interleave`."),
            "requests": listed(ref("ChatCompletionRequest"), minItems=2, maxItems=MAX_MERGED),
            "judge": said(nullable({**TEXT, "minLength": 1}), "The model that chooses, with `best_of`."),
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
            "reasoning_tokens": COUNT,
            "estimated": FLAG,
        }
    ),
    "StreamDeleted": complete({"id": TEXT, "object": {"const": "stream"}, "deleted": {"const": True}}),
}
