package io.squeeze.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.squeeze.image.Mask;
import io.squeeze.image.RgbImage;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.openqa.selenium.By;
import org.openqa.selenium.Keys;
import org.openqa.selenium.OutputType;
import org.openqa.selenium.WebElement;
import org.openqa.selenium.chrome.ChromeDriver;
import org.openqa.selenium.chrome.ChromeDriverService;
import org.openqa.selenium.chrome.ChromeOptions;
import org.openqa.selenium.interactions.Actions;
import org.openqa.selenium.logging.LogType;
import org.openqa.selenium.logging.LoggingPreferences;

/** A report in a real browser: headless Chromium, as Debian's packages install it. */
@Timeout(120)
class PageTest {
  private static final Path DRIVER = Path.of("/usr/bin/chromedriver");
  private static final Path CHROMIUM = Path.of("/usr/bin/chromium");
  private static final String HOSTILE = "<img src=x onerror=alert(1)>\"'&amp;";
  private static final int SIDE = 48;

  @TempDir static Path folder;
  private static ChromeDriver browser;

  @BeforeAll
  static void open() throws IOException {
    assumeTrue(
        Files.isExecutable(DRIVER) && Files.isExecutable(CHROMIUM),
        "No Chromium here: apt-get install chromium chromium-driver");
    Path file = folder.resolve("a report #1.html");
    try (OutputStream out = Files.newOutputStream(file)) {
      page().write(out);
    }
    ChromeOptions options = new ChromeOptions();
    options.setBinary(CHROMIUM.toFile());
    options.addArguments(
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage");
    options.addArguments("--window-size=1366,900");
    LoggingPreferences logs = new LoggingPreferences();
    logs.enable(LogType.BROWSER, java.util.logging.Level.ALL);
    logs.enable(LogType.PERFORMANCE, java.util.logging.Level.ALL);
    options.setCapability("goog:loggingPrefs", logs);
    ChromeDriverService service =
        new ChromeDriverService.Builder().usingDriverExecutable(DRIVER.toFile()).build();
    browser = new ChromeDriver(service, options);
    browser.get(file.toUri().toString());
  }

  @AfterAll
  static void close() {
    if (browser != null) {
      browser.quit();
    }
  }

  private static Page page() {
    Chart curves =
        Chart.curves("Loss", "loss", Map.of("train", new double[] {3, 2, 1.5, Double.NaN}));
    Chart bars =
        Chart.bars("By breed", "", "IoU", List.of("a", HOSTILE), Map.of("vq", List.of(0.4, 0.9)));
    List<List<Object>> rows =
        List.of(
            Arrays.asList("vq " + HOSTILE, 9, 0.68, true),
            Arrays.asList("rvq", 32, 0.7, false),
            Arrays.asList("none", 3072, Double.NaN, false),
            Arrays.asList("lfq", 10, 0.123456, null));
    List<String> classes = List.of("pet", HOSTILE);
    List<Integer> palette = List.of(0xFF0000, 0x0000FF);
    Page page = new Page("Run " + HOSTILE, "4 samples");
    page.headline("Mean IoU", "0.7", "baseline 0.69").section("Plots");
    page.charts(List.of(curves, bars, Chart.usage("Usage", List.of(new long[] {5, 0, 9}))));
    page.section("Table").table(List.of("name", "bits", "IoU", "front"), rows, true);
    page.section("Pictures");
    page.pictures("Best", "VQ", List.of(picture(true), picture(false)), classes, palette);
    page.pictures("Worst", "VQ", List.of(), classes, palette);
    return page.section("Settings").facts(Map.of("Java", "17")).code("{ a = \"<b>\" }");
  }

  private static Picture picture(boolean withBaseline) {
    byte[] photo = new byte[SIDE * SIDE * 3];
    Arrays.fill(photo, (byte) 120);
    Mask truth = mask(0);
    Mask baseline = withBaseline ? mask(255) : null;
    return new Picture(
        HOSTILE, new RgbImage(SIDE, SIDE, photo), truth, baseline, mask(1), 0.5, 0.25);
  }

  private static Mask mask(int label) {
    byte[] data = new byte[SIDE * SIDE];
    Arrays.fill(data, (byte) label);
    return new Mask(SIDE, SIDE, data);
  }

  @Test
  void itAsksNobodyAndComplainsOfNothing() throws IOException {
    List<String> complaints =
        browser.manage().logs().get(LogType.BROWSER).getAll().stream()
            .map(entry -> entry.getMessage())
            .toList();
    assertThat(complaints).isEmpty();
    List<String> requests =
        browser.manage().logs().get(LogType.PERFORMANCE).getAll().stream()
            .map(entry -> entry.getMessage())
            .filter(message -> message.contains("Network.requestWillBeSent\""))
            .map(message -> message.replaceFirst("(?s).*\"url\":\"([^\"]{0,40}).*", "$1"))
            .toList();
    assertThat(requests)
        .isNotEmpty()
        .allMatch(url -> url.startsWith("data:") || url.startsWith("file:"));
    // Everything that is drawn is there, and nothing of the data became markup.
    assertThat(browser.findElements(By.cssSelector("main img")))
        .hasSize(3 + 4 + 3)
        .allMatch(image -> !image.getDomProperty("naturalWidth").equals("0"));
    assertThat(browser.findElement(By.tagName("h1")).getText()).isEqualTo("Run " + HOSTILE);
    assertThat(browser.findElements(By.cssSelector("[onerror]"))).isEmpty();
    byte[] screen = browser.getScreenshotAs(OutputType.BYTES);
    Files.write(Path.of("target/report.png"), screen);
  }

  private static List<String> column(int index) {
    return browser.findElements(By.cssSelector("tbody tr")).stream()
        .filter(WebElement::isDisplayed)
        .map(row -> row.findElements(By.tagName("td")).get(index).getText())
        .toList();
  }

  @Test
  void tablesSortByNumberAndFilter() {
    List<WebElement> heads = browser.findElements(By.cssSelector("th button"));
    heads.get(1).click();
    assertThat(column(1)).containsExactly("9", "10", "32", "3,072");
    heads.get(2).click();
    assertThat(column(2)).containsExactly("0.1235", "0.6800", "0.7000", "");
    heads.get(2).click();
    assertThat(column(2)).containsExactly("0.7000", "0.6800", "0.1235", "");
    WebElement search = browser.findElement(By.cssSelector("input[type=search]"));
    search.sendKeys("VQ 0.7");
    assertThat(column(0)).containsExactly("rvq");
    search.sendKeys(Keys.chord(Keys.CONTROL, "a"), Keys.DELETE);
    assertThat(column(0)).hasSize(4);
  }

  @Test
  void aPictureOpensWithItsMaskOverThePhoto() {
    List<WebElement> tiles = browser.findElements(By.cssSelector(".tile"));
    tiles.get(3).click();
    WebElement dialog = browser.findElement(By.tagName("dialog"));
    assertThat(dialog.isDisplayed()).isTrue();
    assertThat(dialog.findElement(By.tagName("span")).getText()).contains("VQ 0.250");
    assertThat(dialog.findElement(By.cssSelector(".stage")).getSize().height).isGreaterThan(500);
    List<WebElement> shown = dialog.findElements(By.tagName("img"));
    assertThat(shown.get(0).getDomProperty("src"))
        .isEqualTo(tiles.get(0).findElement(By.tagName("img")).getDomProperty("src"));
    assertThat(shown.get(1).getCssValue("opacity")).isEqualTo("0.5");
    new Actions(browser).sendKeys(Keys.ARROW_RIGHT).perform();
    assertThat(shown.get(1).isDisplayed()).isFalse();
    new Actions(browser).sendKeys(Keys.ESCAPE).perform();
    assertThat(dialog.isDisplayed()).isFalse();
  }

  @Test
  void aPlotCanBeTakenAsSvg() {
    WebElement anchor = browser.findElement(By.cssSelector("[data-download]"));
    assertThat(anchor.getDomProperty("download")).isEqualTo("loss.svg");
    assertThat(anchor.getDomProperty("href")).startsWith("data:image/svg+xml;base64,");
  }
}
