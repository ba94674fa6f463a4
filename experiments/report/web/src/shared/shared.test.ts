import { gzipSync } from "node:zlib";

import { describe, expect, it } from "vitest";

import { count, difference, onHundred, oneIn, percent } from "./numbers";
import { fromPlanes, open } from "./payload";
import { bandPath, linear, linePath, roundTicks, spread } from "./scale";
import { ageAt, birthdayTicks, lengthWords, monthOf, thinned, yearTicks } from "./time";

describe("time", () => {
  it("begins on 1 April and has 52 weeks a year", () => {
    expect([0, 4, 51, 52, 39, 40].map((week) => monthOf(week, 2020)))
      .toEqual(["April 2020", "April 2020", "March 2021", "April 2021", "December 2020", "January 2021"]);
    expect(monthOf(-1, 2020)).toBe("March 2020");
  });
  it("puts ticks at 1 January and at birthdays", () => {
    expect(yearTicks(0, 110, 2020).map((t) => [t.label, Math.round(t.week)])).toEqual([["2021", 39], ["2022", 91]]);
    expect(birthdayTicks(0, 110, -100).map((t) => [t.label, t.week])).toEqual([["2", 4], ["3", 56], ["4", 108]]);
    expect(thinned(yearTicks(0, 520, 2020), 5).map((t) => t.label)).toEqual(["2022", "2024", "2026", "2028", "2030"]);
  });
  it("tells ages and lengths", () => {
    expect([ageAt(51, 0), ageAt(52, 0)]).toEqual([0, 1]);
    expect([lengthWords(1), lengthWords(14), lengthWords(130), lengthWords(156)])
      .toEqual(["1 week", "14 weeks", "about 2 and a half years", "about 3 years"]);
  });
});

describe("numbers", () => {
  it("shows chances so that small ones are not nothing", () => {
    expect([0, 1, 0.5, 0.0031, 0.00044, 0.00001, 0.99999, 0.072].map(percent))
      .toEqual(["0%", "100%", "50.0%", "0.31%", "0.044%", "less than 0.01%", "more than 99.99%", "7.20%"]);
    expect([oneIn(0.0031), oneIn(0.5), oneIn(0)]).toEqual(["about 1 in 320", "", ""]);
  });
  it("shows which of two near numbers is larger", () => {
    expect(onHundred(0.0031, 0.0012)).toEqual(["0.31", "0.12"]);
    expect(onHundred(0.123454, 0.123453)).toEqual(["12.3454", "12.3453"]);
  });
  it("shows counts and differences", () => {
    expect([12345, 1.5, 0.0312, 66.66, Number.NaN].map(count)).toEqual(["12,345", "1.5", "0.031", "66.7", "not known"]);
    expect([0.032, -0.13, 0].map(difference)).toEqual(["3.2% above", "13.0% below", "equal"]);
  });
});

describe("scale", () => {
  it("is straight and gives round ticks around the values", () => {
    expect(linear(0, 10, 0, 100)(4)).toBe(40);
    expect(linear(5, 5, 7, 9)(5)).toBe(7);
    expect(roundTicks(0, 3100, 5)).toEqual([0, 1000, 2000, 3000, 4000]);
    expect(roundTicks(0.62, 0.71, 5)[0]).toBeLessThanOrEqual(0.62);
  });
  it("moves labels apart and keeps them inside", () => {
    const moved = spread([50, 52, 54], 17, 0, 80);
    expect(moved[1]! - moved[0]!).toBeGreaterThanOrEqual(17);
    expect(moved[2]! - moved[1]!).toBeGreaterThanOrEqual(17);
    expect(moved[2]).toBeLessThanOrEqual(80);
  });
  it("leaves a gap where a value is missing", () => {
    expect(linePath([[0, 1], [1, null], [2, 3]])).toBe("M0.0,1.0M2.0,3.0");
    expect(bandPath([[0, 1, 2], [1, null, 3], [2, 3, 4]])).toBe("M0.0,1.0L0.0,2.0ZM2.0,3.0L2.0,4.0Z");
  });
});

describe("payload", () => {
  const container = (header: object, body: number[]): string => {
    const head = new TextEncoder().encode(JSON.stringify(header));
    const size = new Uint8Array(new Uint32Array([head.length]).buffer);
    return gzipSync(Uint8Array.from([...size, ...head, ...body])).toString("base64");
  };
  it("undoes byte planes and codecs", async () => {
    expect([...fromPlanes(Uint8Array.from([1, 2, 3, 4]), 2)]).toEqual([1, 3, 2, 4]);
    const columns = [
      { name: "a", type: "u16", codec: "plain", length: 2, offset: 0 }, { name: "b", type: "u32", codec: "share", length: 1, offset: 4 },
    ];
    const { numbers } = await open(container({ format: 1, columns }, [1, 2, 0, 1, 0, 0, 0, 128]));
    expect([...Array.from(numbers("a"))]).toEqual([1, 258]);
    expect([...Array.from(numbers("b"))]).toEqual([0.5]);
    expect(() => numbers("c")).toThrow("no column 'c'");
  });
  it("refuses damage and other versions with a sentence", async () => {
    await expect(open("not base64 at all!")).rejects.toThrow("damaged");
    await expect(open(btoa("plain"))).rejects.toThrow("damaged");
    await expect(open(container({ format: 9, columns: [] }, []))).rejects.toThrow("another version");
  });
});
