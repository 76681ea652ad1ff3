package io.squeeze.jobs.storage;

import java.io.Serializable;

/**
 * A file as a listing shows it. Two that are equal hold the same bytes, as far as storage tells.
 *
 * @param path in full
 * @param modified milliseconds since 1970
 * @param tag the store's own tag of the content; empty where it has none
 */
public record TableFile(String path, long bytes, long modified, String tag)
    implements Serializable {}
