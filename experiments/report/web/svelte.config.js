/** The compiler's defaults are right for us; the file only says so to the tools that look for it. */
export default {};
