/**
 * Limits and texts that this page shares with the Python client: the same files. What a limit
 * means, and where it comes from, stands in the Python modules that take it.
 */

import client from "../../../../client/liveness/limits.json";
import texts from "../../../../client/liveness/texts.json";
import vision from "../../../../vision/liveness/limits.json";

export { client, texts, vision };
