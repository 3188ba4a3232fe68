"""What is planted in the invented company: every number that `generate.py` draws around."""

SEED = 132
FIRST_YEAR, MONTHS = 2023, 36  # history is 2023-01 .. 2025-12; months are counted from 0
REGIONS = {
    "North": "Hamburg Bremen Hanover Kiel Rostock",
    "South": "Munich Stuttgart Nuremberg Augsburg Freiburg",
    "East": "Berlin Leipzig Dresden Magdeburg Cottbus",
    "West": "Cologne Düsseldorf Essen Dortmund Aachen",
    "Central": "Frankfurt Kassel Erfurt Mannheim Würzburg",
    "Nordics": "Stockholm Gothenburg Malmö Oslo Copenhagen",
}
SEATS = [3, 3, 2, 2, 2, 3, 3, 3, 3, 2, 3, 2, 2, 2, 2, 3, 3, 2, 2, 1] + [3, 2, 2, 2, 2] * 2  # T01 ..
SEAT_SHARES = {
    1: [(1.0,), (1.0,)],
    2: [(0.5, 0.5), (0.6, 0.4)],
    3: [(0.4, 0.35, 0.25), (0.4, 0.3, 0.3)],
}
SALES_PER_SEAT = 1_280_000  # EUR a year, 2023, held all year by an average person
POTENTIAL_PER_SALES = 4.2  # market potential of a territory over its fully staffed sales
ACCOUNTS_PER_SEAT = 18

# --- what moved sales ------------------------------------------------------------------------
MARKET = {2023: 1.0, 2024: 1.03, 2025: 1.03 * 1.02}  # growth 2025: +2 %; assumed was GROWTH_ASSUMED
GROWTH_ASSUMED = 0.03
COMPETITOR_FROM, COMPETITOR_EFFECT = "2025-04-01", -0.12
COMPETITOR_TERRITORIES = ("T16", "T17", "T18", "T19", "T22", "T24")
PRICE_CUT_PRODUCT, PRICE_CUT_FROM, PRICE_CUT_FACTOR = "P05", "2025-01-01", 0.92
NEW_PRODUCT, NEW_FROM, NEW_SHARE = "P09", "2025-03-01", 0.09  # of its line, on top of it
OLD_PRODUCT, OLD_UNTIL = "P12", "2024-12-31"  # withdrawn; its buyers take OLD_SUCCESSOR instead
OLD_SUCCESSOR = "P10"
COST_LEVEL = {2023: 0.96, 2024: 0.98, 2025: 1.0}  # of the unit cost in products.csv
LUCK_OF_YEAR, LUCK_OF_MONTH = 0.03, 0.07  # spread of a seat's own ups and downs
DISCOUNT = 0.06  # average off the list price; a person's own level differs
SEASONS = {  # monthly factors, January first; each adds up to 12
    "Balances": (0.84, 0.91, 1.08, 0.97, 0.95, 1.06, 0.88, 0.74, 1.07, 1.06, 1.13, 1.31),
    "Microscopes": (0.74, 0.85, 1.12, 0.92, 0.95, 1.12, 0.84, 0.68, 1.09, 1.06, 1.18, 1.45),
    "Spectrometers": (0.65, 0.79, 1.15, 0.86, 0.92, 1.15, 0.80, 0.64, 1.10, 1.06, 1.22, 1.66),
    "Sensors": (0.96, 0.95, 1.04, 1.00, 0.99, 1.02, 0.96, 0.88, 1.04, 1.04, 1.06, 1.06),
}
LINE_SHARES = {"Balances": 0.24, "Microscopes": 0.34, "Spectrometers": 0.27, "Sensors": 0.15}
TYPICAL_UNITS = {"Balances": 1.5, "Microscopes": 1.4, "Spectrometers": 1.1, "Sensors": 9.0}
PRODUCTS = {  # id: name, line, list price, unit cost, share of its line
    "P01": ("Balance A100", "Balances", 1900, 1010, 0.35),
    "P02": ("Balance A200", "Balances", 3400, 1730, 0.40),
    "P03": ("Balance A300 Micro", "Balances", 5200, 2490, 0.25),
    "P04": ("Microscope M10", "Microscopes", 2800, 1540, 0.27),
    "P05": ("Microscope M20", "Microscopes", 6400, 3390, 0.43),
    "P06": ("Microscope M30 Confocal", "Microscopes", 11500, 5860, 0.30),
    "P07": ("Spectrometer S100", "Spectrometers", 9800, 5290, 0.45),
    "P08": ("Spectrometer S200", "Spectrometers", 16500, 8580, 0.55),
    "P09": ("Spectrometer S50 Portable", "Spectrometers", 7200, 4030, 0.0),
    "P10": ("Sensor Kit K1", "Sensors", 460, 205, 0.45),
    "P11": ("Sensor Kit K2", "Sensors", 890, 380, 0.43),
    "P12": ("Sensor Kit K0", "Sensors", 240, 130, 0.12),
}

# --- people ----------------------------------------------------------------------------------
RAMP = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)  # of full sales, by month since hiring
# territory, seat (1 = first), last month of the leaver, months vacant. A leaver never leaves a
# whole quarter without a holder, so that every quarterly goal has a name.
LEAVERS = [
    ("T02", 1, "2023-04", 3),
    ("T27", 1, "2023-05", 3),
    ("T12", 2, "2023-08", 3),
    ("T04", 2, "2024-02", 3),
    ("T14", 1, "2024-08", 3),
    ("T03", 1, "2024-11", 3),
    ("T06", 2, "2025-01", 4),
    ("T07", 1, "2025-02", 3),
    ("T08", 3, "2025-03", 2),
    ("T09", 2, "2025-04", 3),
    ("T22", 2, "2025-02", 3),
    ("T26", 1, "2025-06", 2),
    ("T05", 2, "2025-10", 3),
    ("T15", 1, "2025-11", 3),
]
TURNOVER_ASSUMED, VACANCY_ASSUMED = 0.05, 2  # for 2025
LAST_FILLED = "2025-10"  # seats left from this month on are still empty at the end of 2025
SIGNED = ("T05",)  # vacant at the end of 2025, and the successor of 2026 has already signed
SWAPS = [(("T01", 1), ("T03", 2), "2024-07-01"), (("T27", 2), ("T28", 1), "2025-07-01")]
SANDBAGGERS, OPTIMIST = (("T01", 2), ("T13", 1)), ("T24", 1)  # by the seat they hold
SANDBAG_FACTOR, OPTIMIST_FACTOR, PROPOSAL_NOISE = 0.80, 1.25, 0.08
CLOSING_RATIO, CLOSING_SPREAD = 0.27, 0.045
WON_AMOUNT, WON_COVERS = 36_000, 0.6  # opportunities explain this share of sales; rest repeats
PROSPECTS_DROPPED = 0.25  # share of opportunities lost before any presentation

# --- goals -----------------------------------------------------------------------------------
RATCHET_OVER, RATCHET_UNDER, RATCHET_CONSTANT = 0.6, 0.2, 5_000  # goal 2025 - goal 2024, EUR
GOAL_LEVEL_2024, GOAL_SPREAD = 0.967, 0.085  # goal over expected sales: level and spread
NEW_PRODUCT_ASSUMED = 0.02  # of company sales; so Spectrometers carry more goal in 2025
NO_SPECTROMETERS = ("T30", 1)  # its holder's 2025 goals for that line are 0: none expected
NO_SENSOR_GOAL = ("T26", 1)  # its successor's 2025 goals for Sensors are empty: nobody planned

FIRST_NAMES = """Anna Jonas Marie Lukas Sofia Paul Clara Felix Emma Leon Ida Max Nora Erik Laura
Simon Julia David Karin Oskar Helena Martin Petra Hugo Monika Peter Astrid Thomas Eva Niklas Greta
Stefan Maja Robert Tilda Michael Vera Patrick Ingrid Daniel"""
LAST_NAMES = """Weber O'Brien Müller Lindqvist Åkerlund Hansen Nuñez Fischer Keller Becker Schulz
Hoffmann Bauer Richter Klein Wolf Schröder Neumann Schwarz Zimmermann Braun Krüger Hofmann
Hartmann Lange Werner Krause Lehmann Köhler Maier Walter Huber Kaiser Fuchs Lang Vogel Stein Jung
Otto Sommer Seidel Brandt Haas Schreiber Graf Dietrich Ziegler Kuhn Pohl Engel Horn Busch Bergmann
Thoma Voigt Sauer Arnold Pfeiffer Andersson Johansson Karlsson Nilsson Eriksson Larsson Olsson
Persson Svensson Gustafsson Pettersson Jonsson Jansson Berg Lund Holm Dahl Strand Nygaard Sørensen
Rasmussen Petersen Madsen Kristensen Olsen Larsen Johnsen Moen Haugen Moreau Rossi Novak Kowalski
Janssen Vries-Maas Costa Silva Murphy Walsh"""
MANAGERS = (
    "Birgit Falk",
    "Henrik Thorsen",
    "Carla Ferrari",
    "Joachim Reuter",
    "Maud Lefèvre",
    "Gunnar Ek",
)
COACHING_DONE = (1.05, 0.55, 0.90, 0.70, 1.10, 0.95)  # actual over planned, by manager
