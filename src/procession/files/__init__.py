"""Files of an organization: kept on disk or in S3, read by signed links that expire."""
