"""The refusals that more than one part of the face declares."""

READ_ERRORS = (401, 403, 404, 429, 500, 503)
WRITE_ERRORS = (401, 403, 404, 409, 422, 429, 500, 503)
