/** Pages, charts and pictures that show results, without Spark. */
package io.squeeze.report;
