/**
 * Nearest neighbours among codes and vectors, over primitive arrays: tables of codewords, lists of
 * codes, and the nearest of what was measured.
 */
package io.squeeze.search;
