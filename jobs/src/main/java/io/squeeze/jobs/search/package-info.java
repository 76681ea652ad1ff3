/**
 * An index of codes, and the nearest neighbours that it finds: {@code index} groups vectors around
 * centroids, {@code search} reads the lists that are nearest to each query.
 */
package io.squeeze.jobs.search;
