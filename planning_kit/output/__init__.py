"""Charts, shown tables, HTML and PDF, workbook, exports: takes tables and objects, knows no steps."""
