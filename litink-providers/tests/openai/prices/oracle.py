"""What genai-prices thinks calls cost: lines of JSON in, billionths of a dollar (or null) out."""

import json
import sys
from datetime import datetime, timezone
from decimal import ROUND_CEILING

from genai_prices import Usage, calc_price

for line in sys.stdin:
    asked = json.loads(line)
    usage = Usage(
        input_tokens=asked["input"],
        cache_read_tokens=asked["cached"],
        cache_write_tokens=asked["written"],
        output_tokens=asked["output"],
    )
    day = datetime.fromisoformat(asked["day"]).replace(tzinfo=timezone.utc)
    try:
        cost = calc_price(
            usage,
            model_ref=asked["model"],
            provider_id=asked["provider"],
            genai_request_timestamp=day,
        ).total_price
        print(int((cost * 10**9).to_integral_value(ROUND_CEILING)))
    except LookupError:
        print("null")
